-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Logins by an OpenID Connect provider: each state is taken once, who is meant, and the groups the provider says.

-- Of one source no more than some at a time: it costs nothing to begin one.
CREATE FUNCTION pane.oidc_begin(p_state bytea, p_source text, p_ttl_s integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.oidc_login WHERE expires_at <= now();
	IF (SELECT count(*) FROM pane.oidc_login WHERE source = p_source) >= 500 THEN
		PERFORM pane.refuse(429, 'login.throttled', 'Too many logins were begun from this address. Try again in a while.');
	END IF;
	INSERT INTO pane.oidc_login (state, source, expires_at) VALUES (p_state, p_source, now() + make_interval(secs => p_ttl_s));
END $$;

-- NULL: used, too old, or never was; '' = it is not known yet who; else the user whose second factor is missing.
CREATE FUNCTION pane.oidc_take(p_state bytea) RETURNS text LANGUAGE sql AS $$
	WITH x AS (DELETE FROM pane.oidc_login WHERE state = p_state RETURNING user_id, expires_at)
	SELECT coalesce(u.name, '') FROM x LEFT JOIN pane.users u ON u.id = x.user_id WHERE x.expires_at > now()
$$;

CREATE FUNCTION pane.oidc_proven(p_state bytea, p_user text, p_ttl_s integer) RETURNS void LANGUAGE sql AS $$
	INSERT INTO pane.oidc_login (state, source, user_id, expires_at)
		SELECT p_state, '', id, now() + make_interval(secs => p_ttl_s) FROM pane.users WHERE name = p_user
$$;

-- Who has this name or (one only) this address; NULL for nobody.
CREATE FUNCTION pane.oidc_user(p_value text, p_match text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN count(*) = 1 THEN min(name) END FROM pane.users WHERE deleted_at IS NULL
		AND CASE WHEN p_match = 'email' THEN lower(email) = lower(p_value) ELSE name = lower(p_value) END
$$;

-- Of the mapped groups the user is in those the provider says, and in no other; groups of the directory stay its own.
CREATE FUNCTION pane.oidc_groups(p_user text, p_mapped jsonb, p_in jsonb, p_keep_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_user); v_left integer; v_joined integer;
BEGIN
	DELETE FROM pane.membership m USING pane.groups g WHERE m.user_id = v AND g.id = m.group_id AND g.origin = 'local'
		AND p_mapped ? g.name AND NOT p_in ? g.name;
	GET DIAGNOSTICS v_left = ROW_COUNT;
	INSERT INTO pane.membership SELECT g.id, v FROM pane.groups g WHERE g.origin = 'local' AND p_mapped ? g.name
		AND p_in ? g.name ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS v_joined = ROW_COUNT;
	IF v_left + v_joined > 0 THEN
		PERFORM pane.entitlements_settle(ARRAY[v], p_keep_s);
		INSERT INTO pane.audit (actor, action, object, outcome, detail) VALUES ('oidc', 'member.update', p_user, 'ok',
			format('%s groups joined, %s left', v_joined, v_left));
	END IF;
END $$;
