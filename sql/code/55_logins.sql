-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Where a person is logged in: tokens without a name are logins. A person sees and ends their own, help
-- desk those of the people it may manage.

CREATE FUNCTION pane.login_open(p_user uuid, p_hash bytea, p_ttl_s integer, p_client text, p_agent text,
	p_browser boolean) RETURNS void LANGUAGE sql AS $$
	INSERT INTO pane.token (hash, user_id, expires_at, last_used_at, browser, client, agent) VALUES (p_hash,
		p_user, now() + make_interval(secs => p_ttl_s), now(), p_browser, p_client, p_agent)
$$;

-- NULL for an unknown user. p_hash: the login that asks, or NULL.
CREATE FUNCTION pane.list_logins(p_user text, p_hash bytea) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', t.id::text, 'browser',
		t.browser, 'client', t.client, 'agent', t.agent, 'created_at', t.created_at, 'expires_at', t.expires_at,
		'last_used_at', t.last_used_at, 'current', t.hash IS NOT DISTINCT FROM p_hash)
		ORDER BY t.created_at DESC, t.id DESC), '[]') FROM pane.token t
		WHERE t.user_id = u.id AND t.name = '' AND t.expires_at > now()))::text
	FROM pane.users u WHERE u.name = p_user
$$;

CREATE FUNCTION pane.login_end(p_user text, p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.token t USING pane.users u WHERE t.id::text = p_id AND t.name = '' AND u.id = t.user_id
		AND u.name = p_user;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'login.unknown', 'There is no such login.');
	END IF;
END $$;

CREATE FUNCTION pane.logins_end(p_user text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.token t USING pane.users u WHERE t.name = '' AND u.id = t.user_id AND u.name = p_user;
	PERFORM FROM pane.users WHERE name = p_user;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'user.unknown', format('There is no user %s.', p_user));
	END IF;
END $$;
