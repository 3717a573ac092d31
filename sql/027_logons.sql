-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Where the time of a logon went, of what is known here: the broker's own steps are in the audit's
-- detail ("auth_ms=12 assign_ms=3 start_ms=0"; a ticket for a ready desktop has one step only), what
-- follows is the time until the host first told of the viewer.

CREATE FUNCTION pane.logon_ms(p_detail text, p_key text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT substring(p_detail FROM '\m' || p_key || '=([0-9]{1,12})\M')::bigint
$$;

-- Newest first; p_after is the id of the oldest seen.
CREATE FUNCTION pane.list_logons(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (
		SELECT a.id::text AS id, a.at, a.actor AS user, a.object AS desktop, a.client, a.conn,
			pane.logon_ms(a.detail, 'auth_ms') AS auth_ms, pane.logon_ms(a.detail, 'assign_ms') AS assign_ms,
			pane.logon_ms(a.detail, 'start_ms') AS start_ms, (SELECT (extract(epoch FROM e.at - a.at) * 1000)::bigint
				FROM pane.session s JOIN pane.event e ON e.desktop_id = s.desktop_id AND e.session_id = s.id
				WHERE s.conn = a.conn AND s.desktop_id = d.id AND e.to_state = 'connected' AND e.at >= a.at
				ORDER BY e.id LIMIT 1) AS display_ms
		FROM pane.audit a LEFT JOIN pane.desktop d ON d.name = a.object AND d.state <> 'deleted'
		WHERE a.action = 'connect' AND a.outcome = 'ok' AND (p_after = '' OR a.id < (CASE
			WHEN p_after ~ '^[0-9]{1,18}$' THEN p_after ELSE '0' END)::bigint)
		ORDER BY a.id DESC LIMIT p_limit + 1) x
$$;
