-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Who hears of what happens: people with a role everywhere of everything, everybody of their own desktops and sessions, and
-- who has a role in one pool (46_delegation.sql) of that pool, its desktops and their sessions: of what its lists show them.

-- The pool an event is about; NULL: of none, so nobody hears of it by a role in one.
CREATE FUNCTION pane.event_pool(e pane.event) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN e.desktop_id IS NOT NULL THEN (SELECT d.pool_id FROM pane.desktop d WHERE d.id = e.desktop_id)
		WHEN e.kind = 'pool' OR e.kind = 'change' AND split_part(e.to_state, '.', 1) IN ('pool', 'role', 'entitlement')
			THEN (SELECT p.id FROM pane.pool p WHERE p.name = e.name AND p.deleted_at IS NULL)
		WHEN e.kind = 'change' AND e.to_state LIKE 'desktop.%'
			THEN (SELECT d.pool_id FROM pane.desktop d WHERE d.name = e.name AND d.state <> 'deleted')
		WHEN e.kind = 'change' AND e.to_state LIKE 'session.%'
			THEN (SELECT d.pool_id FROM pane.session s JOIN pane.desktop d ON d.id = s.desktop_id WHERE s.id::text = e.name)
		END
$$;

-- (txid, id, user, kind, json, who else hears of it) after one position, up to another (NULL: all that is settled). Those who
-- hear by a role in its pool are as they are now, each between line feeds, which no name has. p_user NULL: everything; else
-- what concerns that user, with p_pools also by roles in pools.
CREATE FUNCTION pane.events_after(p_txid bigint, p_id bigint, p_to_txid bigint, p_to_id bigint,
	p_user text, p_pools boolean, p_limit integer)
RETURNS TABLE (txid bigint, id bigint, user_name text, kind text, data text, heard_by text) LANGUAGE sql STABLE AS $$
	SELECT e.txid, e.id, e.user_name, e.kind, jsonb_strip_nulls(jsonb_build_object('at', e.at, 'kind', e.kind,
		'name', e.name, 'desktop', d.name, 'host', h.name, 'user', nullif(e.user_name, ''),
		'from', e.from_state, 'to', e.to_state, 'reason', e.reason))::text,
		coalesce((SELECT E'\n' || string_agg(u.name, E'\n') || E'\n' FROM pane.delegated g JOIN pane.users u ON u.id = g.user_id
			WHERE g.pool_id = pane.event_pool(e)), '')
	FROM pane.event e LEFT JOIN pane.desktop d ON d.id = e.desktop_id LEFT JOIN pane.host h ON h.id = e.host_id
	WHERE (e.txid, e.id) > (p_txid, p_id) AND e.txid <= pane.event_now()
	AND (p_to_txid IS NULL OR (e.txid, e.id) <= (p_to_txid, p_to_id))
	AND (p_user IS NULL OR e.user_name = p_user OR (p_pools AND EXISTS (SELECT FROM pane.delegated g JOIN pane.users u
		ON u.id = g.user_id WHERE u.name = p_user AND g.pool_id = pane.event_pool(e))))
	ORDER BY e.txid, e.id LIMIT p_limit
$$;
