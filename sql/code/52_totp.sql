-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The second factor. Codes are computed in the broker (liboath); here is what must be atomic: that each
-- is taken once.

CREATE FUNCTION pane.has_totp(p_user uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.totp WHERE user_id = p_user AND confirmed_at IS NOT NULL)
$$;

-- By the user's role, or to get into a pool they may use.
CREATE FUNCTION pane.needs_totp(p_user uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.users u JOIN pane.role_policy r ON r.role = u.role AND r.totp
			WHERE u.id = p_user)
		OR EXISTS (SELECT FROM pane.entitlement e JOIN pane.pool p ON p.id = e.pool_id
			AND p.deleted_at IS NULL AND p.totp = 'required' WHERE e.user_id = p_user)
$$;

-- {"enrolled","required","recovery_left"}
CREATE FUNCTION pane.totp_state(p_user uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('enrolled', pane.has_totp(p_user), 'required', pane.needs_totp(p_user),
		'recovery_left', (SELECT count(*) FROM pane.recovery_code c WHERE c.user_id = p_user
			AND c.used_at IS NULL))
$$;

-- The secret of an enrolment: p_secret, or the one begun within the hour (a page that was loaded again).
CREATE FUNCTION pane.totp_begin(p_user uuid, p_secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v text;
BEGIN
	INSERT INTO pane.totp AS t (user_id, secret) VALUES (p_user, p_secret)
		ON CONFLICT (user_id) DO UPDATE SET
			secret = CASE WHEN t.created_at < now() - interval '1 hour' THEN p_secret ELSE t.secret END,
			created_at = CASE WHEN t.created_at < now() - interval '1 hour' THEN now()
				ELSE t.created_at END
		WHERE t.confirmed_at IS NULL RETURNING secret INTO v;
	IF v IS NULL THEN
		PERFORM pane.refuse(409, 'totp.enrolled', 'You have a second factor already. To move it to another device give its code, too.');
	END IF;
	RETURN v;
END $$;

-- The same of who has one and showed a code of it: the one they have counts until the new one is confirmed.
CREATE FUNCTION pane.totp_move(p_user uuid, p_secret text) RETURNS text LANGUAGE sql AS $$
	UPDATE pane.totp SET next_secret = CASE WHEN next_at > now() - interval '1 hour' THEN next_secret ELSE p_secret END,
		next_at = CASE WHEN next_at > now() - interval '1 hour' THEN next_at ELSE now() END
		WHERE user_id = p_user AND confirmed_at IS NOT NULL RETURNING next_secret
$$;

-- The new one counts, by a code of this step, which is then spent; false when it is not what was moved to any more.
CREATE FUNCTION pane.totp_moved(p_user uuid, p_secret text, p_step bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.totp SET secret = next_secret, last_step = p_step, next_secret = NULL, next_at = NULL
		WHERE user_id = p_user AND next_secret = p_secret AND next_at > now() - interval '1 hour';
	RETURN FOUND;
END $$;

-- A code of this step is taken, once: false for one that was used, or is older than one that was.
CREATE FUNCTION pane.totp_take(p_user uuid, p_step bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.totp SET last_step = p_step WHERE user_id = p_user AND last_step < p_step;
	RETURN FOUND;
END $$;

-- From now on a code is asked for at every login; the recovery codes are these.
CREATE FUNCTION pane.totp_confirm(p_user uuid, p_hashes bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.totp SET confirmed_at = coalesce(confirmed_at, now()) WHERE user_id = p_user;
	DELETE FROM pane.recovery_code WHERE user_id = p_user;
	INSERT INTO pane.recovery_code (hash, user_id) SELECT h, p_user FROM unnest(p_hashes) h;
END $$;

CREATE FUNCTION pane.recovery_take(p_user uuid, p_hash bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.recovery_code SET used_at = now() WHERE hash = p_hash AND user_id = p_user
		AND used_at IS NULL;
	RETURN FOUND;
END $$;

-- Whoever lost their device enrols again.
CREATE FUNCTION pane.totp_reset(p_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name);
BEGIN
	DELETE FROM pane.totp WHERE user_id = v;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'totp.none', format('User %s has no second factor.', p_name));
	END IF;
	DELETE FROM pane.token WHERE user_id = v AND name = '';
	DELETE FROM pane.throttle WHERE user_name = p_name AND source = 'totp';
END $$;

-- A user's own wish; not where it is required.
CREATE FUNCTION pane.totp_end(p_user uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF pane.needs_totp(p_user) THEN
		PERFORM pane.refuse(409, 'totp.required', 'Your role or one of your pools asks for a second factor.');
	END IF;
	DELETE FROM pane.totp WHERE user_id = p_user;
END $$;

CREATE FUNCTION pane.get_policy() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('totp_roles', coalesce(jsonb_agg(role ORDER BY role) FILTER (WHERE totp), '[]'))::text
	FROM pane.role_policy
$$;

CREATE FUNCTION pane.policy_set(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.role_policy SET totp = p -> 'totp_roles' ? role::text WHERE p ? 'totp_roles';
	RETURN pane.get_policy();
END $$;
