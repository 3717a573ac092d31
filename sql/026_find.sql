-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Desktops by what they are. '' = any; p_text is looked for in names of desktops and users.

CREATE FUNCTION pane.find_desktops(p_after text, p_limit integer, p_pool text, p_state text, p_host text,
	p_user text, p_text text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.desktop_view v WHERE v.name > p_after
		AND (p_pool = '' OR v.pool = p_pool) AND (p_state = '' OR v.state::text = p_state)
		AND (p_host = '' OR v.host = p_host) AND (p_user = '' OR v.user = p_user)
		AND (p_text = '' OR position(p_text IN v.name) > 0 OR position(p_text IN v.user) > 0)
		ORDER BY v.name LIMIT p_limit + 1) x
$$;
