-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Quotas: who may have how much. They are asked when a desktop is given or started and when a pool makes one, never
-- of what somebody has already. Of rules for one user the nearest holds: their own, else those of each member of
-- their groups (per limit the most generous), else that of everyone; those of a group together and of a pool hold
-- besides. The user's row and the rules of groups are locked meanwhile: two at once are counted one after the other.

-- Of a desktop of the pool, with the home; p_mib 0: the size of the image.
CREATE FUNCTION pane.disk_mib(p pane.pool, p_mib integer) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT p.home_mib + coalesce(nullif(p_mib, 0), (SELECT v.disk_mib FROM pane.image_version v
		JOIN pane.image i ON i.id = v.image_id WHERE i.name = p.image AND v.version = pane.pool_version(p.id)), 0)
$$;

-- What a desktop takes; one that waits for a host as its pool says.
CREATE VIEW pane.desktop_use AS
	SELECT d.id, d.pool_id, d.user_id, r.running,
		CASE WHEN NOT r.running THEN 0 WHEN d.cpus > 0 THEN d.cpus ELSE p.cpus END AS cpus,
		CASE WHEN NOT r.running THEN 0 WHEN d.memory_mib > 0 THEN d.memory_mib ELSE p.memory_mib END AS memory_mib,
		pane.disk_mib(p, CASE WHEN d.cpus > 0 THEN d.disk_mib ELSE p.disk_mib END) AS disk_mib
	FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id CROSS JOIN LATERAL (SELECT d.want <> 'absent'
		AND d.state IN ('requested', 'cloning', 'booting', 'ready', 'draining', 'recycling') AS running) r
	WHERE d.state NOT IN ('deleted', 'deleting');

CREATE FUNCTION pane.quota_who(q pane.quota) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE q.kind WHEN 'everyone' THEN q.kind ELSE q.kind || ':' || coalesce(
		(SELECT name FROM pane.users WHERE id = q.user_id), (SELECT name FROM pane.groups WHERE id = q.group_id),
		(SELECT name FROM pane.pool WHERE id = q.pool_id)) END
$$;

CREATE FUNCTION pane.quota_limits(q pane.quota) RETURNS TABLE (what text, most bigint, n integer)
LANGUAGE sql IMMUTABLE AS $$
	SELECT * FROM (VALUES ('desktops', q.desktops, 1), ('running', q.running, 2), ('cpus', q.cpus, 3),
		('memory_mib', q.memory_mib, 4), ('disk_mib', q.disk_mib, 5)) v (what, most, n) WHERE v.most IS NOT NULL
$$;

-- What counts under a rule; p_user for the rules of one user.
CREATE FUNCTION pane.quota_used(q pane.quota, p_user uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('desktops', count(*), 'running', count(*) FILTER (WHERE u.running),
		'cpus', coalesce(sum(u.cpus), 0), 'memory_mib', coalesce(sum(u.memory_mib), 0),
		'disk_mib', coalesce(sum(u.disk_mib), 0))
	FROM pane.desktop_use u WHERE CASE q.kind WHEN 'pool' THEN u.pool_id = q.pool_id
		WHEN 'group' THEN u.user_id IN (SELECT m.user_id FROM pane.membership m WHERE m.group_id = q.group_id)
		ELSE u.user_id = p_user END
$$;

CREATE FUNCTION pane.quota_rules(p_user uuid) RETURNS SETOF pane.quota LANGUAGE sql STABLE AS $$
	WITH mine AS (SELECT q.* FROM pane.quota q WHERE q.user_id = p_user OR q.kind = 'everyone' OR q.group_id IN
		(SELECT m.group_id FROM pane.membership m WHERE m.user_id = p_user))
	SELECT * FROM mine q WHERE q.kind = 'group' OR q.kind = (SELECT x.kind FROM mine x WHERE x.kind <> 'group'
		ORDER BY array_position('{user,member,everyone}', x.kind) LIMIT 1)
$$;

CREATE FUNCTION pane.quota_unit(p_what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_what WHEN 'running' THEN 'running desktops' WHEN 'cpus' THEN 'processors'
		WHEN 'memory_mib' THEN 'MiB of memory' WHEN 'disk_mib' THEN 'MiB of disk' ELSE p_what END
$$;

CREATE FUNCTION pane.quota_line(q pane.quota, p_what text, p_most bigint, p_used bigint, p_more bigint)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('the quota of %s allows %s %s%s: %s in use, %s more needed', pane.quota_who(q), p_most,
		pane.quota_unit(p_what), CASE q.kind WHEN 'group' THEN ' together' WHEN 'member' THEN ' each' WHEN 'everyone'
		THEN ' each' ELSE '' END, p_used, p_more)
$$;

-- Why these rules do not allow one more desktop of the pool; without p_new: one that is there to be started.
CREATE FUNCTION pane.quota_over(p_rules pane.quota[], p_user uuid, p pane.pool, p_new boolean) RETURNS text[]
LANGUAGE sql STABLE AS $$
	WITH l AS (SELECT q, x.*, CASE WHEN q.kind = 'member' THEN row_number() OVER (PARTITION BY q.kind, x.what
			ORDER BY x.most DESC) ELSE 1 END AS nth
		FROM unnest(p_rules) q CROSS JOIN pane.quota_limits(q) x),
	c AS (SELECT l.*, (pane.quota_used(l.q, p_user) ->> l.what)::bigint AS used, CASE l.what
			WHEN 'desktops' THEN p_new::integer WHEN 'running' THEN 1 WHEN 'cpus' THEN p.cpus
			WHEN 'memory_mib' THEN p.memory_mib WHEN 'disk_mib' THEN CASE WHEN p_new
			THEN pane.disk_mib(p, p.disk_mib) ELSE 0 END END::bigint AS more FROM l WHERE l.nth = 1)
	SELECT coalesce(array_agg(pane.quota_line(c.q, c.what, c.most, c.used, c.more) ORDER BY (c.q).id, c.n), '{}')
	FROM c WHERE c.more > 0 AND c.used + c.more > c.most
$$;

CREATE FUNCTION pane.quota_why_not(p_user uuid, p_pool uuid, p_new boolean) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.quota WHERE kind <> 'pool';
	IF NOT FOUND THEN
		RETURN '{}';
	END IF;
	PERFORM FROM pane.users WHERE id = p_user FOR NO KEY UPDATE;
	PERFORM FROM pane.quota q WHERE q.kind = 'group' AND q.group_id IN (SELECT m.group_id FROM pane.membership m
		WHERE m.user_id = p_user) ORDER BY q.id FOR NO KEY UPDATE;
	RETURN (SELECT pane.quota_over(ARRAY(SELECT q FROM pane.quota_rules(p_user) q), p_user, p, p_new)
		FROM pane.pool p WHERE p.id = p_pool);
END $$;

-- Under the placement lock: one is made at a time.
CREATE FUNCTION pane.quota_pool_why_not(p pane.pool) RETURNS text[] LANGUAGE sql AS $$
	SELECT pane.quota_over(ARRAY(SELECT q FROM pane.quota q WHERE q.pool_id = p.id), NULL, p, true)
$$;

-- ---- as administrators see and change them ----

-- p_user: whose use is shown, where the rule is of one user each.
CREATE FUNCTION pane.quota_json(q pane.quota, p_user uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('who', pane.quota_who(q), 'limits', jsonb_object_agg(l.what, l.most),
		'used', u.used, 'says', string_agg(CASE WHEN u.used IS NULL THEN format('%s %s each', l.most,
			pane.quota_unit(l.what)) ELSE format('%s of %s %s', u.used ->> l.what, l.most, pane.quota_unit(l.what)) END,
			', ' ORDER BY l.n))
	FROM pane.quota_limits(q) l CROSS JOIN (SELECT CASE WHEN q.kind IN ('group', 'pool') OR coalesce(q.user_id, p_user)
		IS NOT NULL THEN pane.quota_used(q, coalesce(q.user_id, p_user)) END AS used) u GROUP BY u.used
$$;

CREATE FUNCTION pane.quota_find(p_who text) RETURNS SETOF pane.quota LANGUAGE sql STABLE AS $$
	SELECT * FROM pane.quota q WHERE pane.quota_who(q) = p_who
$$;

CREATE FUNCTION pane.get_quota(p_who text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.quota_json(q, NULL)::text FROM pane.quota_find(p_who) q
$$;

-- All, or (p_user) those that hold for a user.
CREATE FUNCTION pane.list_quotas(p_user text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	IF p_user <> '' THEN
		v := pane.need_user(p_user);
		RETURN (SELECT jsonb_build_object('items', coalesce(jsonb_agg(pane.quota_json(q, v) ORDER BY q.id), '[]'))::text
			FROM pane.quota_rules(v) q);
	END IF;
	RETURN (SELECT jsonb_build_object('items', coalesce(jsonb_agg(o ORDER BY o ->> 'who'), '[]'))::text
		FROM (SELECT pane.quota_json(q, NULL) AS o FROM pane.quota q) x);
END $$;

-- The whole rule: what is not given is not limited.
CREATE FUNCTION pane.quota_set(p_who text, o jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_kind text := split_part(p_who, ':', 1); v_name text := substr(p_who, length(split_part(p_who, ':', 1)) + 2);
BEGIN
	IF NOT (p_who = 'everyone' OR (v_kind IN ('user', 'member', 'group', 'pool') AND v_name <> '')) THEN
		PERFORM pane.refuse(400, 'request.invalid', format('%s has no quota; it is user:NAME, member:GROUP (each '
			'member), group:GROUP (all together), pool:NAME or everyone.', p_who));
	ELSIF num_nonnulls(o ->> 'desktops', o ->> 'running', o ->> 'cpus', o ->> 'memory_mib', o ->> 'disk_mib') = 0 THEN
		PERFORM pane.refuse(400, 'request.invalid', 'Give at least one of desktops, running, cpus, memory_mib and disk_mib.');
	END IF;
	INSERT INTO pane.quota AS q (kind, user_id, group_id, pool_id, desktops, running, cpus, memory_mib, disk_mib)
		VALUES (v_kind, CASE WHEN v_kind = 'user' THEN pane.need_user(v_name) END,
			CASE WHEN v_kind IN ('member', 'group') THEN pane.need_group(v_name) END,
			CASE WHEN v_kind = 'pool' THEN pane.need_pool(v_name) END, (o ->> 'desktops')::bigint,
			(o ->> 'running')::bigint, (o ->> 'cpus')::bigint, (o ->> 'memory_mib')::bigint, (o ->> 'disk_mib')::bigint)
		ON CONFLICT (kind, user_id, group_id, pool_id) DO UPDATE SET desktops = excluded.desktops,
			running = excluded.running, cpus = excluded.cpus, memory_mib = excluded.memory_mib, disk_mib = excluded.disk_mib;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_quota(p_who);
END $$;

CREATE FUNCTION pane.quota_delete(p_who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.quota WHERE id IN (SELECT id FROM pane.quota_find(p_who));
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'quota.unknown', format('There is no quota of %s.', p_who));
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
END $$;

CREATE FUNCTION pane.quota_file(q pane.quota) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('kind', 'quota', 'name', pane.quota_who(q)) || jsonb_object_agg(what, most)
	FROM pane.quota_limits(q)
$$;

CREATE FUNCTION pane.apply_quota(o jsonb, OUT action text, OUT changes text[]) LANGUAGE plpgsql AS $$
DECLARE v_now jsonb := (SELECT pane.quota_file(q) - '{kind,name}'::text[] FROM pane.quota_find(o ->> 'name') q);
	v_new jsonb := jsonb_strip_nulls(o - 'name');
BEGIN
	changes := '{}';
	action := CASE WHEN v_now IS NULL THEN 'create' WHEN v_now = v_new THEN 'unchanged' ELSE 'update' END;
	IF action <> 'unchanged' THEN
		PERFORM pane.quota_set(o ->> 'name', o);
	END IF;
	IF action = 'update' THEN
		changes := ARRAY(SELECT format('%s %s -> %s', k, coalesce(v_now ->> k, 'any'), coalesce(v_new ->> k, 'any'))
			FROM (SELECT jsonb_object_keys(v_now || v_new) AS k) x
			WHERE v_now -> k IS DISTINCT FROM v_new -> k ORDER BY k);
	END IF;
END $$;
