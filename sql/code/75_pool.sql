-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Pools as administrators see and change them; as a file: apply and export.

CREATE FUNCTION pane.need_pool(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.pool WHERE name = p_name AND deleted_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'pool.unknown', format('There is no pool %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.get_pool(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('rollout', pane.rollout_json(p.id), 'versions',
		(SELECT coalesce(jsonb_object_agg(v.image_version, v.n), '{}') FROM (
			SELECT d.image_version, count(*) AS n FROM pane.desktop d WHERE d.pool_id = p.id
			AND d.state NOT IN ('deleted', 'requested') GROUP BY 1) v),
		'customize', coalesce((SELECT c.body FROM pane.customization c WHERE c.id = p.customize), '{}'),
		'spare', coalesce(p.spare_wanted, p.spare), 'spare_suspended', p.spare_suspended, 'provision', p.provision,
		'name_pattern', p.name_pattern, 'size_min', p.size_min, 'hosts', p.hosts,
		'placement', p.placement, 'overcommit', p.overcommit, 'policy', p.policy, 'idle_s', p.idle_s,
		'session_max_s', p.session_max_s, 'totp', p.totp) || pane.policy_json(p))::text
	FROM pane.pool_view x JOIN pane.pool p ON p.name = x.name AND p.deleted_at IS NULL
	WHERE x.name = p_name
$$;

-- What a pool says of sessions and capacity, beside its first fields.
CREATE FUNCTION pane.policy_json(p pane.pool) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('idle_action', p.idle_action, 'disconnected_action', pane.disconnected_action(p),
		'session_max_action', p.session_max_action, 'hours_action', p.hours_action, 'warn_s', p.warn_s, 'timezone', p.timezone,
		'schedule', p.schedule, 'grid', p.grid, 'buffer_percent', p.buffer_percent, 'spare_now', p.spare,
		'spare_why', p.spare_why, 'breaker_failures', p.breaker_failures, 'failures', p.failures,
		'stopped_at', p.stopped_at, 'try_at', p.try_at, 'after_logoff', pane.after_logoff(p), 'shadow', p.shadow,
		'memory', p.memory, 'limits', p.limits)
		|| pane.access_json(p.id, NULL, NULL)
$$;

CREATE FUNCTION pane.list_pools(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.pool_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

-- What a refused change of a pool means to a person, from the constraint's name.
CREATE FUNCTION pane.pool_refused(p_error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.refuse(400, 'request.invalid', CASE
		WHEN p_error LIKE '%pool_reset_floating%' THEN 'A floating desktop goes to the next user: '
			'its system is always reset on logoff (the user''s home is kept).'
		WHEN p_error LIKE '%pool_reset_vm%' THEN 'Only container desktops can be reset on logoff '
			'and stay with their user; for virtual machines choose floating.'
		WHEN p_error LIKE '%pool_after_logoff%' THEN 'A floating desktop goes to the next user: after a logoff it is '
			'always recycled.'
		WHEN p_error LIKE '%pool_suspend%' THEN 'A container''s programs cannot be saved: only virtual machines are '
			'suspended after a logoff.'
		WHEN p_error LIKE '%pool_spare_suspended%' THEN 'A container''s programs cannot be saved: only virtual machines '
			'wait suspended (spare_suspended).'
		WHEN p_error LIKE '%pool_memory_vm%' THEN 'Only the memory of virtual machines can be merged or made of huge pages.'
		WHEN p_error LIKE '%pool_limits_vm%' THEN 'The network of containers cannot be limited: only that of virtual machines.'
		WHEN p_error LIKE '%pool_size_min%' THEN 'size_min cannot be more than size_max.'
		WHEN p_error LIKE '%name_pattern%' THEN 'name_pattern needs {n} (or {nnn} for three digits) '
			'and only a-z, 0-9, ''-'' and {pool} beside it.'
		WHEN p_error LIKE '%pool_check%' THEN 'spare cannot be more than size_max.'
		ELSE p_error END);
END $$;

-- Sets the fields that are there. "customize" changes the fields it names; null takes one away.
CREATE FUNCTION pane.pool_set(p_pool uuid, p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.pool q SET image = coalesce(p ->> 'image', image),
		image_tag = coalesce(p ->> 'image_tag', image_tag),
		cpus = coalesce((p ->> 'cpus')::integer, cpus),
		memory_mib = coalesce((p ->> 'memory_mib')::integer, memory_mib),
		disk_mib = coalesce((p ->> 'disk_mib')::integer, disk_mib),
		home_mib = coalesce((p ->> 'home_mib')::integer, home_mib),
		name_pattern = coalesce(p ->> 'name_pattern', name_pattern),
		size_min = coalesce((p ->> 'size_min')::integer, size_min),
		size_max = coalesce((p ->> 'size_max')::integer, size_max),
		spare = coalesce((p ->> 'spare')::integer, spare),
		spare_wanted = coalesce((p ->> 'spare')::integer, spare_wanted, spare),
		spare_suspended = coalesce((p ->> 'spare_suspended')::integer, spare_suspended),
		provision = coalesce(p ->> 'provision', provision),
		hosts = CASE WHEN p ? 'hosts' THEN ARRAY(SELECT jsonb_array_elements_text(p -> 'hosts'))
			ELSE hosts END,
		placement = coalesce(p ->> 'placement', placement),
		overcommit = coalesce((p ->> 'overcommit')::integer, overcommit),
		policy = coalesce(p -> 'policy', policy),
		memory = coalesce(p -> 'memory', memory),
		limits = coalesce(p -> 'limits', limits),
		reset = coalesce((p ->> 'reset')::pane.reset_kind, reset),
		logoff_after_s = coalesce((p ->> 'logoff_after_s')::integer, logoff_after_s),
		idle_s = coalesce((p ->> 'idle_s')::integer, idle_s),
		session_max_s = coalesce((p ->> 'session_max_s')::integer, session_max_s),
		totp = coalesce(p ->> 'totp', totp),
		idle_action = coalesce(p ->> 'idle_action', idle_action),
		disconnected_action = coalesce(p ->> 'disconnected_action', disconnected_action),
		session_max_action = coalesce(p ->> 'session_max_action', session_max_action),
		hours_action = coalesce(p ->> 'hours_action', hours_action),
		warn_s = coalesce((p ->> 'warn_s')::integer, warn_s),
		schedule = CASE WHEN p ? 'schedule' THEN ARRAY(SELECT jsonb_array_elements_text(p -> 'schedule'))
			ELSE schedule END,
		grid = CASE WHEN p ? 'schedule' THEN pane.grid(ARRAY(SELECT jsonb_array_elements_text(p -> 'schedule')))
			ELSE grid END,
		after_logoff = coalesce(p ->> 'after_logoff', after_logoff),
		shadow = coalesce(p ->> 'shadow', shadow),
		breaker_failures = coalesce((p ->> 'breaker_failures')::integer, breaker_failures),
		buffer_percent = coalesce((p ->> 'buffer_percent')::integer, buffer_percent),
		timezone = coalesce(pane.need_zone(p ->> 'timezone'), timezone),
		customize = CASE WHEN p ? 'customize' THEN pane.customization_take(jsonb_strip_nulls(coalesce(
			(SELECT c.body FROM pane.customization c WHERE c.id = q.customize), '{}')
			|| (p -> 'customize'))) ELSE customize END
		WHERE id = p_pool;
	IF p ?| '{hours,networks,refusal}' THEN
		PERFORM pane.access_set(p_pool, NULL, NULL, p);
	END IF;
	UPDATE pane.desktop d SET reset = pane.resets(q) = 'on_logoff'
		FROM pane.pool q WHERE q.id = p_pool AND d.pool_id = p_pool AND d.isolation = 'container';
	DELETE FROM pane.customization c WHERE p ? 'customize' AND NOT EXISTS (SELECT FROM pane.pool q
		WHERE q.customize = c.id) AND NOT EXISTS (SELECT FROM pane.desktop d
		WHERE d.customize = c.id AND d.state <> 'deleted');
	PERFORM pane.rec_spares();
	PERFORM pg_notify('pane', 'reconcile');
EXCEPTION WHEN check_violation THEN
	PERFORM pane.pool_refused(SQLERRM);
END $$;

CREATE FUNCTION pane.pool_create(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	INSERT INTO pane.pool (name, image, cpus, memory_mib, size_max, spare, assignment, isolation, reset)
		VALUES (p ->> 'name', p ->> 'image', (p ->> 'cpus')::integer, (p ->> 'memory_mib')::integer,
			(p ->> 'size_max')::integer, (p ->> 'spare')::integer,
			(p ->> 'assignment')::pane.assignment_kind,
			coalesce(p ->> 'isolation', 'vm')::pane.isolation, (p ->> 'reset')::pane.reset_kind)
		ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING RETURNING id INTO v;
	IF v IS NULL THEN
		PERFORM pane.refuse(409, 'pool.exists', format('There is a pool %s already.', p ->> 'name'));
	END IF;
	PERFORM pane.pool_set(v, p);
	RETURN pane.get_pool(p ->> 'name');
EXCEPTION WHEN check_violation THEN
	PERFORM pane.pool_refused(SQLERRM);
	RETURN NULL;
END $$;

CREATE FUNCTION pane.pool_update(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.pool_set(pane.need_pool(p_name), p);
	RETURN pane.get_pool(p_name);
END $$;

CREATE FUNCTION pane.pool_delete(p_name text, p_force boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_pool(p_name); v_reasons text[]; d record;
BEGIN
	SELECT array_agg(format('desktop %s is assigned to %s', d2.name, u.name) ORDER BY d2.name)
		INTO v_reasons FROM pane.desktop d2 JOIN pane.users u ON u.id = d2.user_id
		WHERE d2.pool_id = v AND d2.state <> 'deleted';
	IF v_reasons IS NOT NULL AND NOT p_force THEN
		PERFORM pane.refuse(409, 'pool.busy', format('Pool %s has assigned desktops. Release '
			'them first, or force it: their disks are then deleted.', p_name), v_reasons);
	END IF;
	UPDATE pane.pool SET deleted_at = now() WHERE id = v;
	FOR d IN SELECT id FROM pane.desktop WHERE pool_id = v AND state NOT IN ('deleted', 'deleting')
		ORDER BY id FOR UPDATE
	LOOP
		PERFORM pane.release(d.id, 'pool deleted');
		PERFORM pane.machine_remove(d.id, 'deleting', 'pool deleted');
	END LOOP;
END $$;

CREATE FUNCTION pane.policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.bump(h) FROM (SELECT DISTINCT host_id AS h FROM pane.desktop
		WHERE pool_id = NEW.id AND host_id IS NOT NULL AND state <> 'deleted' ORDER BY 1) x;
	RETURN NULL;
END $$;
CREATE TRIGGER policy_changed AFTER UPDATE ON pane.pool FOR EACH ROW
	WHEN ((NEW.policy, NEW.idle_s, NEW.warn_s, NEW.shadow, NEW.memory, NEW.limits, NEW.overcommit)
		IS DISTINCT FROM (OLD.policy, OLD.idle_s, OLD.warn_s, OLD.shadow, OLD.memory, OLD.limits, OLD.overcommit))
	EXECUTE FUNCTION pane.policy_changed();

-- The fields of a pool that a file may set, as they are.
CREATE FUNCTION pane.pool_file(p_name text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(k, v) || '{"kind":"pool"}' FROM jsonb_each(pane.get_pool(p_name)::jsonb) x (k, v)
	WHERE k = ANY ('{name,image,image_tag,cpus,memory_mib,disk_mib,home_mib,size_max,size_min,spare,'
		'spare_suspended,assignment,isolation,reset,logoff_after_s,idle_s,session_max_s,provision,name_pattern,hosts,'
		'placement,overcommit,policy,totp,idle_action,disconnected_action,session_max_action,warn_s,timezone,hours,hours_action,'
		'networks,refusal,schedule,buffer_percent,breaker_failures,after_logoff,shadow,memory,limits}')
$$;

CREATE FUNCTION pane.export() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce((SELECT jsonb_agg(o ORDER BY n, o ->> 'name') FROM (
		SELECT 1 AS n, pane.pool_file(name) AS o FROM pane.pool WHERE deleted_at IS NULL
		UNION ALL SELECT 2, jsonb_build_object('kind', 'group', 'name', name, 'description', v.description,
			'pools', v.pools, 'access', pane.group_access(g.id)) FROM pane.group_view v JOIN pane.groups g USING (name)
		UNION ALL SELECT 3, pane.quota_file(q) FROM pane.quota q) x), '[]'))::text
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
	IF o ? 'access' THEN
		changes := changes || pane.group_access_set(pane.need_group(v_name), o -> 'access');
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
		ORDER BY array_position('{pool,group,quota}', i ->> 'kind'), n -- what is named before what names it
	LOOP
		IF o ->> 'kind' = 'pool' THEN
			SELECT * INTO x FROM pane.apply_pool(o - 'kind');
			v_pools := v_pools || (o ->> 'name');
		ELSIF o ->> 'kind' = 'quota' THEN
			SELECT * INTO x FROM pane.apply_quota(o - 'kind');
		ELSE
			SELECT * INTO x FROM pane.apply_group(o - 'kind', p_keep_s);
		END IF;
		v_out := v_out || jsonb_build_object('kind', o ->> 'kind', 'name', o ->> 'name', 'action', x.action,
			'changes', to_jsonb(x.changes));
	END LOOP;
	RETURN jsonb_build_object('items', v_out, 'capacity', pane.capacity_check(v_pools));
END $$;
