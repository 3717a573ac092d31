-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Roles in one pool (028_delegation.sql). A call about a pool, its desktops or their sessions counts the role its
-- caller has there, by name or by a group, beside the one everywhere. Lists show such a person those pools only: the
-- broker says whose by pane.within, and the views keep to it.

CREATE VIEW pane.delegated AS
	SELECT x.user_id, x.pool_id, max(x.role) AS role FROM (
		SELECT d.user_id, d.pool_id, d.role FROM pane.delegation d WHERE d.user_id IS NOT NULL
		UNION ALL SELECT m.user_id, d.pool_id, d.role FROM pane.delegation d JOIN pane.membership m ON m.group_id = d.group_id) x
	JOIN pane.pool p ON p.id = x.pool_id AND p.deleted_at IS NULL GROUP BY 1, 2;

-- What a user is at p_kind's p_name ("pool", "desktop", "session"), or anywhere ("list"); NULL: nothing more than elsewhere.
CREATE FUNCTION pane.delegated_at(p_user uuid, p_kind text, p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT max(g.role)::text FROM pane.delegated g WHERE g.user_id = p_user AND (p_kind = 'list' OR g.pool_id = CASE p_kind
		WHEN 'pool' THEN (SELECT p.id FROM pane.pool p WHERE p.name = p_name AND p.deleted_at IS NULL)
		WHEN 'desktop' THEN (SELECT d.pool_id FROM pane.desktop d WHERE d.name = p_name AND d.state <> 'deleted')
		WHEN 'session' THEN (SELECT d.pool_id FROM pane.session s JOIN pane.desktop d ON d.id = s.desktop_id
			WHERE s.id::text = p_name AND s.state <> 'ended') END)
$$;

-- The pools that lists show to p_user, for pane.within.
CREATE FUNCTION pane.delegated_pools(p_user uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(g.pool_id), '{}')::text FROM pane.delegated g WHERE g.user_id = p_user
$$;

-- Whether lists show this pool to who asks. Becomes part of the views' conditions, so it costs no call a row.
CREATE FUNCTION pane.shown(p_pool uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT CASE coalesce(current_setting('pane.within', true), '') WHEN '' THEN true
		ELSE p_pool = ANY (nullif(current_setting('pane.within', true), '')::uuid[]) END
$$;

-- [{"pool","role"}]
CREATE FUNCTION pane.delegations_of(p_user uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('pool', p.name, 'role', g.role) ORDER BY p.name), '[]')
	FROM pane.delegated g JOIN pane.pool p ON p.id = g.pool_id WHERE g.user_id = p_user
$$;

-- The same for who looks at the user: "direct" is by their own name, others come by a group.
CREATE FUNCTION pane.roles_of(p_user text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('pool', p.name, 'role', g.role, 'direct', EXISTS (SELECT FROM pane.delegation d
		WHERE d.pool_id = g.pool_id AND d.user_id = u.id)) ORDER BY p.name), '[]')
	FROM pane.users u JOIN pane.delegated g ON g.user_id = u.id JOIN pane.pool p ON p.id = g.pool_id WHERE u.name = p_user
$$;

-- Whoever it is of hears of it at once, wherever they are logged in.
CREATE FUNCTION pane.role_event(p_pool text, p_who text, p_role text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO pane.event (kind, name, to_state, reason) SELECT 'role', u.name, p_role, 'in pool ' || p_pool FROM pane.users u
		WHERE u.name = p_who OR EXISTS (SELECT FROM pane.membership m JOIN pane.groups g ON g.id = m.group_id
			WHERE m.user_id = u.id AND 'group:' || g.name = p_who)
$$;

-- NULL for an unknown pool.
CREATE FUNCTION pane.list_delegations(p_pool text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', (SELECT coalesce(jsonb_agg(jsonb_build_object('who', coalesce(u.name, 'group:' || g.name),
		'role', d.role) ORDER BY u.name, g.name), '[]') FROM pane.delegation d LEFT JOIN pane.users u ON u.id = d.user_id
		LEFT JOIN pane.groups g ON g.id = d.group_id WHERE d.pool_id = p.id))::text
	FROM pane.pool p WHERE p.name = p_pool AND p.deleted_at IS NULL
$$;

CREATE FUNCTION pane.delegate(p_pool text, p_who text, p_role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool);
BEGIN
	INSERT INTO pane.delegation AS d (pool_id, user_id, group_id, role) VALUES (v_pool,
		CASE WHEN p_who NOT LIKE 'group:%' THEN pane.need_user(p_who) END,
		CASE WHEN p_who LIKE 'group:%' THEN pane.need_group(substr(p_who, 7)) END, p_role::pane.role)
		ON CONFLICT (pool_id, user_id, group_id) DO UPDATE SET role = excluded.role;
	PERFORM pane.role_event(p_pool, p_who, p_role);
	RETURN jsonb_build_object('who', p_who, 'role', p_role)::text;
END $$;

CREATE FUNCTION pane.undelegate(p_pool text, p_who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool);
BEGIN
	DELETE FROM pane.delegation d WHERE d.pool_id = v_pool AND CASE WHEN p_who LIKE 'group:%'
		THEN d.group_id = pane.need_group(substr(p_who, 7)) ELSE d.user_id = pane.need_user(p_who) END;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'delegation.unknown', format('%s has no role of pool %s''s own.', p_who, p_pool));
	END IF;
	PERFORM pane.role_event(p_pool, p_who, 'none');
END $$;
