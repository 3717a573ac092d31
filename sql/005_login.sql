-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Logins, tokens and tickets. Passwords are verified in the broker (argon2id); here is what must
-- be atomic across brokers.

-- Counts the attempt before it is made, so parallel guesses cannot slip past: seconds to wait, 0 =
-- go ahead. Per user and source: nobody is locked out by a stranger elsewhere.
CREATE FUNCTION pane.login_gate(p_user text, p_source text, p_free integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE v_next timestamptz;
BEGIN
	INSERT INTO pane.throttle AS t VALUES (p_user, p_source, 1, now(), now())
		ON CONFLICT (user_name, source) DO UPDATE SET
			failures = CASE WHEN t.last_at < now() - interval '15 minutes' THEN 1
				ELSE t.failures + 1 END,
			next_at = now() + make_interval(secs => CASE
				WHEN t.last_at < now() - interval '15 minutes' OR t.failures < p_free THEN 0
				ELSE least(30, 2 ^ least(t.failures - p_free, 10)) END),
			last_at = now()
		WHERE t.next_at <= now();
	IF FOUND THEN
		RETURN 0;
	END IF;
	SELECT next_at INTO v_next FROM pane.throttle WHERE user_name = p_user AND source = p_source;
	RETURN greatest(1, ceil(extract(epoch FROM v_next - now())))::integer;
END $$;

CREATE FUNCTION pane.login_passed(p_user uuid, p_name text, p_source text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.throttle WHERE user_name = p_name AND source = p_source;
	UPDATE pane.throttle SET failures = greatest(0, failures - 1)
		WHERE user_name = '' AND source = p_source;
	UPDATE pane.users SET last_login_at = now() WHERE id = p_user;
END $$;

CREATE FUNCTION pane.token_create(p_user uuid, p_hash bytea, p_ttl_s integer) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO pane.token (hash, user_id, expires_at)
		VALUES (p_hash, p_user, now() + make_interval(secs => p_ttl_s))
$$;

-- A ticket for a desktop that is ready, or the reason there is none. Also opens the session.
CREATE FUNCTION pane.ticket_create(p_user uuid, p_desktop uuid, p_hash bytea, p_client text,
	p_ttl_s integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_epoch bigint;
BEGIN
	SELECT epoch INTO v_epoch FROM pane.desktop WHERE id = p_desktop AND user_id = p_user
		AND state = 'ready' AND want = 'running' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO pane.ticket (hash, user_id, desktop_id, epoch, client, expires_at)
		VALUES (p_hash, p_user, p_desktop, v_epoch, p_client,
			now() + make_interval(secs => least(p_ttl_s, 30)));
	PERFORM FROM pane.session WHERE desktop_id = p_desktop AND state <> 'ended';
	IF NOT FOUND THEN
		INSERT INTO pane.session (desktop_id, user_id, user_name, state, client)
			SELECT p_desktop, u.id, u.name, 'ticketed', p_client FROM pane.users u
			WHERE u.id = p_user;
	END IF;
	RETURN true;
END $$;

-- Redeems once. {"ok":true,...} or {"why": "unknown|reused|expired|foreign|stale|disabled"}; "why" is
-- for the audit only. A ticket shown by the wrong client is spent.
CREATE FUNCTION pane.ticket_redeem(p_hash bytea, p_client text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE t pane.ticket; u pane.users; d pane.desktop;
BEGIN
	UPDATE pane.ticket SET used_at = now()
		WHERE hash = p_hash AND used_at IS NULL AND expires_at > now() RETURNING * INTO t;
	IF NOT FOUND THEN
		SELECT * INTO t FROM pane.ticket WHERE hash = p_hash;
		RETURN jsonb_build_object('why', CASE WHEN t.hash IS NULL THEN 'unknown'
			WHEN t.used_at IS NOT NULL THEN 'reused' ELSE 'expired' END,
			'user', (SELECT name FROM pane.users WHERE id = t.user_id));
	END IF;
	SELECT * INTO u FROM pane.users WHERE id = t.user_id;
	SELECT * INTO d FROM pane.desktop WHERE id = t.desktop_id;
	IF t.client <> '' AND p_client <> '' AND t.client <> p_client THEN
		RETURN jsonb_build_object('why', 'foreign', 'user', u.name);
	ELSIF u.disabled THEN
		RETURN jsonb_build_object('why', 'disabled', 'user', u.name);
	ELSIF d.epoch <> t.epoch OR d.user_id IS DISTINCT FROM t.user_id THEN
		RETURN jsonb_build_object('why', 'stale', 'user', u.name);
	END IF;
	RETURN jsonb_build_object('ok', true, 'user_id', u.id, 'user', u.name, 'desktop', d.id,
		'pool', d.pool_id);
END $$;
