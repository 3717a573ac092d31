-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What an administrator may want of a pool beyond its size: names, a floor, which hosts and how they
-- are filled, memory promised beyond what there is, the display's policy, timers; and pools as a file:
-- apply and export.

ALTER TABLE pane.pool
	ADD COLUMN name_pattern text NOT NULL DEFAULT '{pool}-{n}'
		CHECK (name_pattern ~ '^[a-z0-9{][a-z0-9{}-]{0,62}$' AND name_pattern ~ '\{n+\}'),
	ADD COLUMN size_min integer NOT NULL DEFAULT 0 CHECK (size_min BETWEEN 0 AND 10000),
	ADD COLUMN spare_wanted integer,      -- what was asked for; spare follows it and size_min
	ADD COLUMN hosts text[] NOT NULL DEFAULT '{}',   -- only these; none = any
	ADD COLUMN placement text NOT NULL DEFAULT 'spread' CHECK (placement IN ('spread', 'pack')),
	ADD COLUMN overcommit integer NOT NULL DEFAULT 100 CHECK (overcommit BETWEEN 100 AND 1000), -- %
	ADD COLUMN policy jsonb NOT NULL DEFAULT '{}',
	ADD COLUMN idle_s integer NOT NULL DEFAULT 0 CHECK (idle_s BETWEEN 0 AND 31536000),
	ADD COLUMN session_max_s integer NOT NULL DEFAULT 0 CHECK (session_max_s BETWEEN 0 AND 31536000),
	ADD CONSTRAINT pool_size_min CHECK (size_min <= size_max);

-- "office-{nnn}" gives office-001: the lowest number whose name is free. {pool} is the pool's name.
CREATE FUNCTION pane.desktop_named() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE p pane.pool; v_base text; v_width integer;
BEGIN
	SELECT * INTO p FROM pane.pool WHERE id = NEW.pool_id;
	IF NOT FOUND OR p.name_pattern = '{pool}-{n}' THEN
		RETURN NEW;
	END IF;
	v_base := replace(p.name_pattern, '{pool}', p.name);
	v_width := length(substring(v_base FROM '\{(n+)\}'));
	SELECT x.name INTO NEW.name FROM generate_series(1, 20001) i, LATERAL (SELECT regexp_replace(v_base,
		'\{n+\}', CASE WHEN length(i::text) >= v_width THEN i::text ELSE lpad(i::text, v_width, '0') END)
		AS name) x WHERE NOT EXISTS (SELECT FROM pane.desktop d WHERE d.name = x.name
		AND d.state <> 'deleted') ORDER BY i LIMIT 1;
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_named BEFORE INSERT ON pane.desktop FOR EACH ROW
	EXECUTE FUNCTION pane.desktop_named();

-- Which hosts, and memory promised beyond what there is: only the refusal for want of memory is
-- looked at again, by what the host owns times the pool's overcommit.
ALTER FUNCTION pane.candidates(uuid) RENAME TO candidates_022;
CREATE FUNCTION pane.candidates(p_pool uuid)
RETURNS TABLE (host_id uuid, free_mib bigint, why_not text) LANGUAGE sql STABLE AS $$
	WITH c AS (SELECT c.host_id, c.why_not, h.name, h.memory_mib, h.memory_free_mib, h.disk_free_mib, c.free_mib,
		p.memory_mib AS needs, p.disk_mib, p.hosts, p.overcommit, p.name AS pool,
		CASE WHEN p.overcommit = 100 THEN c.free_mib ELSE greatest(0, h.memory_mib * p.overcommit / 100
			- coalesce((SELECT sum(d.memory_mib) FROM pane.desktop d WHERE d.host_id = c.host_id
			AND d.state NOT IN ('deleted', 'requested')), 0)) END AS room
		FROM pane.candidates_022(p_pool) c JOIN pane.host h ON h.id = c.host_id
		JOIN pane.pool p ON p.id = p_pool)
	SELECT c.host_id, c.room, CASE
		WHEN c.hosts <> '{}' AND NOT c.name = ANY (c.hosts)
			THEN format('host %s: pool %s is kept to %s', c.name, c.pool, array_to_string(c.hosts, ', '))
		WHEN c.overcommit > 100 AND c.why_not = format('host %s: needs %s MiB, %s free', c.name, c.needs,
			c.free_mib) THEN CASE
			WHEN c.room < c.needs THEN format('host %s: needs %s MiB, %s free of %s %% of its memory', c.name,
				c.needs, c.room, c.overcommit)
			WHEN c.memory_free_mib < c.needs * 100 / c.overcommit THEN format('host %s: is out of memory: '
				'%s MiB are left', c.name, c.memory_free_mib)
			WHEN c.disk_free_mib < 64 + c.disk_mib THEN format('host %s: needs %s MiB of disk, %s free',
				c.name, 64 + c.disk_mib, c.disk_free_mib) END
		ELSE c.why_not END
	FROM c
$$;

ALTER FUNCTION pane.place_host(uuid, uuid) RENAME TO place_host_022;
CREATE FUNCTION pane.place_host(p_pool uuid, p_only uuid DEFAULT NULL, OUT host uuid, OUT reasons text[])
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.pool WHERE id = p_pool AND placement = 'pack';
	IF FOUND THEN -- the fullest host that still has room: the others can be emptied
		SELECT c.host_id, '{}' INTO host, reasons FROM pane.candidates(p_pool) c WHERE c.why_not IS NULL
			AND (p_only IS NULL OR c.host_id = p_only) ORDER BY c.free_mib, c.host_id LIMIT 1;
		IF host IS NOT NULL THEN
			RETURN;
		END IF;
	END IF;
	SELECT x.host, x.reasons INTO host, reasons FROM pane.place_host_022(p_pool, p_only) x;
END $$;

-- A floor: with few desktops in use, more spare ones.
CREATE FUNCTION pane.rec_spares() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
	UPDATE pane.pool p SET spare = x.spare FROM (SELECT q.id, least(q.size_max, greatest(q.spare_wanted,
		q.size_min - (SELECT count(*) FROM pane.assignment a WHERE a.pool_id = q.id
			AND a.released_at IS NULL)))::integer AS spare FROM pane.pool q
		WHERE q.spare_wanted IS NOT NULL AND q.deleted_at IS NULL) x
		WHERE p.id = x.id AND p.spare <> x.spare;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- ---- the display's policy and timers ----

-- What a host is told of a desktop's pool; NULL = nothing in particular.
CREATE FUNCTION pane.pool_orders(p pane.pool) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT nullif(p.policy || CASE WHEN p.idle_s > 0 THEN jsonb_build_object('idle_s', p.idle_s)
		ELSE '{}' END, '{}')
$$;

CREATE FUNCTION pane.policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.bump(h) FROM (SELECT DISTINCT host_id AS h FROM pane.desktop
		WHERE pool_id = NEW.id AND host_id IS NOT NULL AND state <> 'deleted' ORDER BY 1) x;
	RETURN NULL;
END $$;
CREATE TRIGGER policy_changed AFTER UPDATE ON pane.pool FOR EACH ROW
	WHEN ((NEW.policy, NEW.idle_s) IS DISTINCT FROM (OLD.policy, OLD.idle_s))
	EXECUTE FUNCTION pane.policy_changed();

-- Also viewers who did nothing for longer than their pool allows.
CREATE OR REPLACE FUNCTION pane.host_drops(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(x.id, x.conns) FROM (
		SELECT r ->> 'id' AS id, jsonb_agg(v -> 'conn') AS conns
		FROM jsonb_array_elements(coalesce(p_report -> 'desktops', '[]')) r
		CROSS JOIN jsonb_array_elements(CASE jsonb_typeof(r -> 'viewers') WHEN 'array'
			THEN r -> 'viewers' ELSE '[]' END) v
		JOIN pane.desktop d ON d.id = (r ->> 'id')::uuid AND d.host_id = p_host
		LEFT JOIN pane.pool p ON p.id = d.pool_id
		WHERE v ->> 'conn' <> '' AND (NOT pane.may_view(d, v ->> 'user')
			OR (p.idle_s > 0 AND jsonb_typeof(v -> 'idle_s') = 'number'
			AND (v ->> 'idle_s')::numeric >= p.idle_s))
		GROUP BY 1) x
$$;

CREATE OR REPLACE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE o jsonb := pane.host_desired_019(p_host, p_report); v_policies jsonb;
	v_drops jsonb := pane.host_drops(p_host, p_report);
BEGIN
	SELECT jsonb_object_agg(d.id, pane.pool_orders(p)) INTO v_policies FROM pane.desktop d
		JOIN pane.pool p ON p.id = d.pool_id AND pane.pool_orders(p) IS NOT NULL
		WHERE d.host_id = p_host AND d.state NOT IN ('deleted', 'requested');
	IF v_drops IS NULL AND v_policies IS NULL THEN
		RETURN o;
	END IF;
	RETURN jsonb_set(o, '{desktops}', (SELECT coalesce(jsonb_agg(x
		|| CASE WHEN v_drops ? (x ->> 'id') THEN jsonb_build_object('drop', v_drops -> (x ->> 'id'))
			ELSE '{}' END
		|| CASE WHEN v_policies ? (x ->> 'id') THEN jsonb_build_object('policy',
			v_policies -> (x ->> 'id')) ELSE '{}' END), '[]')
		FROM jsonb_array_elements(o -> 'desktops') x));
END $$;

-- Sessions that have lasted as long as their pool allows.
CREATE FUNCTION pane.rec_timers() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE s record; n integer := 0;
BEGIN
	FOR s IN SELECT x.id, x.desktop_id, p.assignment FROM pane.session x
		JOIN pane.desktop d ON d.id = x.desktop_id JOIN pane.pool p ON p.id = d.pool_id
		WHERE p.session_max_s > 0 AND x.state NOT IN ('ended', 'logging_off')
		AND x.created_at < now() - make_interval(secs => p.session_max_s)
		ORDER BY x.id LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + 1;
		IF s.assignment = 'floating' THEN
			PERFORM pane.release(s.desktop_id, 'its time is over');
		ELSE
			UPDATE pane.session SET state = 'ended', reason = 'its time is over' WHERE id = s.id;
			PERFORM pane.machine_restart(s.desktop_id, 'the session''s time is over');
		END IF;
	END LOOP;
	RETURN n;
END $$;

-- ---- what the API does ----

CREATE FUNCTION pane.pool_more(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.pool_images(p_name, p);
	UPDATE pane.pool SET provision = coalesce(p ->> 'provision', provision),
		name_pattern = coalesce(p ->> 'name_pattern', name_pattern),
		size_min = coalesce((p ->> 'size_min')::integer, size_min),
		spare_wanted = coalesce((p ->> 'spare')::integer, spare_wanted, spare),
		hosts = CASE WHEN p ? 'hosts' THEN ARRAY(SELECT jsonb_array_elements_text(p -> 'hosts'))
			ELSE hosts END,
		placement = coalesce(p ->> 'placement', placement),
		overcommit = coalesce((p ->> 'overcommit')::integer, overcommit),
		policy = coalesce(p -> 'policy', policy),
		idle_s = coalesce((p ->> 'idle_s')::integer, idle_s),
		session_max_s = coalesce((p ->> 'session_max_s')::integer, session_max_s)
		WHERE name = p_name AND deleted_at IS NULL;
	PERFORM pane.rec_spares();
	RETURN pane.get_pool(p_name);
EXCEPTION WHEN check_violation THEN
	PERFORM pane.refuse(400, 'request.invalid', CASE
		WHEN SQLERRM LIKE '%pool_size_min%' THEN 'size_min cannot be more than size_max.'
		WHEN SQLERRM LIKE '%name_pattern%' THEN 'name_pattern needs {n} (or {nnn} for three digits) '
			'and only a-z, 0-9, ''-'' and {pool} beside it.'
		ELSE SQLERRM END);
	RETURN NULL;
END $$;

ALTER FUNCTION pane.get_pool(text) RENAME TO get_pool_022;
CREATE FUNCTION pane.get_pool(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (pane.get_pool_022(p_name)::jsonb || jsonb_build_object('spare', coalesce(p.spare_wanted, p.spare),
		'provision', p.provision, 'name_pattern', p.name_pattern, 'size_min', p.size_min, 'hosts', p.hosts,
		'placement', p.placement, 'overcommit', p.overcommit, 'policy', p.policy, 'idle_s', p.idle_s,
		'session_max_s', p.session_max_s))::text
	FROM pane.pool p WHERE p.name = p_name AND p.deleted_at IS NULL
$$;

-- The fields of a pool that a file may set, as they are.
CREATE FUNCTION pane.pool_file(p_name text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(k, v) || '{"kind":"pool"}' FROM jsonb_each(pane.get_pool(p_name)::jsonb) x (k, v)
	WHERE k = ANY ('{name,image,image_tag,cpus,memory_mib,disk_mib,home_mib,size_max,size_min,spare,'
		'assignment,isolation,reset,logoff_after_s,idle_s,session_max_s,provision,name_pattern,hosts,'
		'placement,overcommit,policy}')
$$;

CREATE FUNCTION pane.export() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce((SELECT jsonb_agg(o ORDER BY n, o ->> 'name') FROM (
		SELECT 1 AS n, pane.pool_file(name) AS o FROM pane.pool WHERE deleted_at IS NULL
		UNION ALL SELECT 2, jsonb_build_object('kind', 'group', 'name', name, 'description', description,
			'pools', pools) FROM pane.group_view) x), '[]'))::text
$$;

CREATE FUNCTION pane.apply_pool(o jsonb, OUT action text, OUT changes text[]) LANGUAGE plpgsql AS $$
DECLARE v_name text := o ->> 'name'; v_now jsonb := pane.pool_file(o ->> 'name'); f record; v_missing text;
BEGIN
	changes := '{}';
	IF v_now IS NULL THEN
		SELECT k INTO v_missing FROM unnest('{image,cpus,memory_mib,size_max,spare,assignment}'::text[]) k
			WHERE NOT o ? k LIMIT 1;
		IF FOUND THEN
			PERFORM pane.refuse(400, 'request.invalid', format('pool %s: %s is missing', v_name, v_missing));
		END IF;
		action := 'create';
		PERFORM pane.pool_create(o);
		PERFORM pane.pool_more(v_name, o);
		RETURN;
	END IF;
	FOR f IN SELECT k, v FROM jsonb_each(o) x (k, v) WHERE v IS DISTINCT FROM v_now -> k ORDER BY k LOOP
		IF f.k IN ('assignment', 'isolation') THEN
			PERFORM pane.refuse(409, 'pool.kind', format('pool %s: %s stays %s; make a new pool for %s', v_name,
				f.k, v_now ->> f.k, f.v));
		END IF;
		changes := changes || format('%s %s -> %s', f.k, v_now -> f.k, f.v);
	END LOOP;
	action := CASE WHEN changes = '{}' THEN 'unchanged' ELSE 'update' END;
	IF action = 'update' THEN
		PERFORM pane.pool_update(v_name, o);
		PERFORM pane.pool_more(v_name, o);
	END IF;
END $$;

CREATE FUNCTION pane.apply_group(o jsonb, p_keep_s integer, OUT action text, OUT changes text[])
LANGUAGE plpgsql AS $$
DECLARE v_name text := o ->> 'name'; v_now jsonb; v text; v_want text[]; v_have text[];
BEGIN
	changes := '{}';
	v_now := pane.get_group(v_name)::jsonb;
	action := CASE WHEN v_now IS NULL THEN 'create' ELSE 'unchanged' END;
	IF v_now IS NULL THEN
		v_now := pane.group_create(v_name, o ->> 'description')::jsonb;
	ELSIF o ->> 'description' <> v_now ->> 'description' THEN
		UPDATE pane.groups SET description = o ->> 'description' WHERE name = v_name;
		changes := changes || 'description'::text;
	END IF;
	IF o ? 'pools' THEN
		v_want := ARRAY(SELECT jsonb_array_elements_text(o -> 'pools') ORDER BY 1);
		v_have := ARRAY(SELECT jsonb_array_elements_text(v_now -> 'pools') ORDER BY 1);
		FOREACH v IN ARRAY v_want LOOP
			IF NOT v = ANY (v_have) THEN
				PERFORM pane.entitle_who(v, 'group:' || v_name, p_keep_s);
				changes := changes || format('pool %s added', v);
			END IF;
		END LOOP;
		FOREACH v IN ARRAY v_have LOOP
			IF NOT v = ANY (v_want) THEN
				PERFORM pane.disentitle_who(v, 'group:' || v_name, p_keep_s);
				changes := changes || format('pool %s withdrawn', v);
			END IF;
		END LOOP;
	END IF;
	IF action = 'unchanged' AND changes <> '{}' THEN
		action := 'update';
	END IF;
END $$;

-- How many of the desktops that pools may still grow by fit, and why not more, host by host. Pools
-- named earlier are served first.
CREATE FUNCTION pane.capacity_check(p_pools text[]) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE v_taken jsonb := '{}'; v_out jsonb := '[]'; v_name text; p pane.pool; c record; v_want integer;
	v_fits integer; v_n integer; v_lines text[]; v_free bigint;
BEGIN
	FOREACH v_name IN ARRAY p_pools LOOP
		SELECT * INTO p FROM pane.pool WHERE name = v_name AND deleted_at IS NULL;
		v_want := p.size_max - pane.pool_size(p.id);
		v_fits := 0;
		v_lines := '{}';
		FOR c IN SELECT x.*, h.name FROM pane.candidates(p.id) x JOIN pane.host h ON h.id = x.host_id
			ORDER BY h.name
		LOOP
			IF c.why_not IS NOT NULL THEN
				v_lines := v_lines || c.why_not;
				CONTINUE;
			END IF;
			v_free := c.free_mib - coalesce((v_taken ->> c.name)::bigint, 0);
			v_n := least(v_want - v_fits, greatest(0, v_free / p.memory_mib));
			v_fits := v_fits + v_n;
			v_taken := v_taken || jsonb_build_object(c.name,
				coalesce((v_taken ->> c.name)::bigint, 0) + v_n::bigint * p.memory_mib);
			IF v_fits < v_want THEN
				v_lines := v_lines || format('host %s: room for %s, %s MiB are missing for one more', c.name,
					v_n, p.memory_mib - (v_free - v_n::bigint * p.memory_mib));
			END IF;
		END LOOP;
		IF v_lines = '{}' AND v_fits < v_want THEN
			v_lines := ARRAY['no host is enrolled'];
		END IF;
		v_out := v_out || jsonb_build_object('pool', v_name, 'wants', greatest(0, v_want), 'fits', v_fits,
			'missing', CASE WHEN v_fits < v_want THEN to_jsonb(v_lines) ELSE '[]' END);
	END LOOP;
	RETURN v_out;
END $$;

CREATE FUNCTION pane.apply(p_items jsonb, p_keep_s integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE o jsonb; x record; v_out jsonb := '[]'; v_pools text[] := '{}';
BEGIN
	FOR o IN SELECT i FROM jsonb_array_elements(p_items) WITH ORDINALITY e (i, n)
		ORDER BY i ->> 'kind' DESC, n -- pools before the groups that name them
	LOOP
		IF o ->> 'kind' = 'pool' THEN
			SELECT * INTO x FROM pane.apply_pool(o - 'kind');
			v_pools := v_pools || (o ->> 'name');
		ELSE
			SELECT * INTO x FROM pane.apply_group(o - 'kind', p_keep_s);
		END IF;
		v_out := v_out || jsonb_build_object('kind', o ->> 'kind', 'name', o ->> 'name', 'action', x.action,
			'changes', to_jsonb(x.changes));
	END LOOP;
	RETURN jsonb_build_object('items', v_out, 'capacity', pane.capacity_check(v_pools));
END $$;
