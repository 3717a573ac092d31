-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Who may do what beside their own desktops: roles in rising order (readonly sees everything, helpdesk
-- helps people into their desktops, operator runs pools and people, admin all), tokens for programs
-- with a name, a scope and an end, and throttled logins that can be seen and released.

ALTER TABLE pane.token
	ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
	ADD COLUMN name text NOT NULL DEFAULT '' CHECK (length(name) <= 64), -- '' = of a login
	ADD COLUMN scope pane.role,        -- at most this role; NULL = the user's
	ADD COLUMN last_used_at timestamptz;
CREATE UNIQUE INDEX token_name ON pane.token (user_id, name) WHERE name <> '';

CREATE VIEW pane.token_view AS
	SELECT t.id, u.name AS user, t.name, coalesce(t.scope, u.role) AS scope, t.created_at, t.expires_at,
		t.last_used_at
	FROM pane.token t JOIN pane.users u ON u.id = t.user_id WHERE t.name <> '' AND t.expires_at > now();

-- p_user NULL: everybody's.
CREATE FUNCTION pane.list_tokens(p_user uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.user, x.name), '[]'))::text
	FROM pane.token_view x WHERE p_user IS NULL OR x.user = (SELECT name FROM pane.users WHERE id = p_user)
$$;

CREATE FUNCTION pane.token_make(p_user uuid, p_hash bytea, p_name text, p_scope text, p_ttl_s integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v bigint;
BEGIN
	DELETE FROM pane.token WHERE user_id = p_user AND name = p_name AND expires_at <= now();
	INSERT INTO pane.token (hash, user_id, expires_at, name, scope) VALUES (p_hash, p_user,
		now() + make_interval(secs => p_ttl_s), p_name, p_scope::pane.role)
		ON CONFLICT (user_id, name) WHERE name <> '' DO NOTHING RETURNING id INTO v;
	IF v IS NULL THEN
		PERFORM pane.refuse(409, 'token.exists', format('You have a token named %s already.', p_name));
	END IF;
	RETURN (SELECT to_jsonb(x)::text FROM pane.token_view x WHERE id = v);
END $$;

CREATE FUNCTION pane.token_end(p_user uuid, p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.token WHERE id::text = p_id AND name <> '' AND (p_user IS NULL OR user_id = p_user);
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'token.unknown', 'There is no such token.');
	END IF;
END $$;

-- People with a role beside "user" are an administrator's business.
CREATE FUNCTION pane.may_manage(p_name text, p_admin boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.users WHERE name = p_name AND role <> 'user' AND NOT p_admin;
	IF FOUND THEN
		PERFORM pane.refuse(403, 'role.admin', format('User %s has a role: only an administrator may do '
			'this.', p_name));
	END IF;
END $$;

-- Whose next login has to wait, or soon would. source '' cannot be; user '' = a source as a whole.
CREATE FUNCTION pane.list_lockouts() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('user', user_name, 'source',
		source, 'failures', failures, 'last_at', last_at, 'wait_s', greatest(0, ceil(extract(epoch
		FROM next_at - now())))::integer) ORDER BY next_at DESC, user_name), '[]'))::text
	FROM (SELECT * FROM pane.throttle WHERE failures > 1 AND last_at > now() - interval '15 minutes'
		ORDER BY next_at DESC LIMIT 1000) t
$$;

-- p_source '' releases the user everywhere.
CREATE FUNCTION pane.lockout_release(p_user text, p_source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.throttle WHERE user_name = p_user AND (p_source = '' OR source = p_source);
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'lockout.unknown', 'There is nothing to release.');
	END IF;
END $$;

ALTER FUNCTION pane.grant_runtime(text) RENAME TO grant_runtime_021;
CREATE FUNCTION pane.grant_runtime(p_role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.grant_runtime_021(p_role);
	IF p_role = current_user THEN
		RETURN;
	END IF;
	EXECUTE format('GRANT SELECT ON pane.token_view TO %I', p_role);
	EXECUTE format('REVOKE EXECUTE ON FUNCTION pane.grant_runtime(text) FROM PUBLIC, %I', p_role);
END $$;
