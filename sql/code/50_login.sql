-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Logins, tokens and tickets. Passwords are verified in the broker (argon2id); here is what must be atomic
-- across brokers. The login path is one statement and one commit each way: a ticket for a desktop that is
-- ready, and a ticket turned into a grant. What is not that plain goes the longer way in the broker.

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
		-- Of two at once the one that began first may come second; and no clock makes anybody wait for longer.
		WHERE t.failures < p_free OR t.next_at <= now() OR t.next_at > now() + interval '30 seconds';
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

-- People with a role beside "user" are an administrator's business.
CREATE FUNCTION pane.may_manage(p_name text, p_admin boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.users WHERE name = p_name AND role <> 'user' AND NOT p_admin;
	IF FOUND THEN
		PERFORM pane.refuse(403, 'role.admin', format('User %s has a role: only an administrator may do '
			'this.', p_name));
	END IF;
END $$;

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

CREATE FUNCTION pane.welcome_create(p_name text, p_hash bytea, p_ttl_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name);
BEGIN
	PERFORM FROM pane.users WHERE id = v AND disabled;
	IF FOUND THEN
		PERFORM pane.refuse(409, 'user.disabled', format('User %s is disabled.', p_name));
	END IF;
	PERFORM pane.local_only(p_name, 'their password is there already');
	DELETE FROM pane.welcome WHERE user_id = v;
	INSERT INTO pane.welcome (hash, user_id, expires_at)
		VALUES (p_hash, v, now() + make_interval(secs => p_ttl_s));
END $$;

-- The user whose password it set; NULL for an unknown, used or old token.
CREATE FUNCTION pane.welcome_use(p_hash bytea, p_password text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid; v_name text;
BEGIN
	DELETE FROM pane.welcome WHERE hash = p_hash AND expires_at > now() RETURNING user_id INTO v;
	UPDATE pane.users SET password = p_password WHERE id = v AND NOT disabled RETURNING name INTO v_name;
	IF FOUND THEN
		DELETE FROM pane.welcome WHERE user_id = v;
		DELETE FROM pane.token WHERE user_id = v;
		DELETE FROM pane.ticket WHERE user_id = v AND used_at IS NULL;
	END IF;
	RETURN v_name;
END $$;

-- A ticket for a desktop that is ready, or the reason there is none. Also opens the session.
CREATE FUNCTION pane.ticket_create(p_user uuid, p_desktop uuid, p_hash bytea, p_client text,
	p_ttl_s integer, p_nt_hash bytea DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_epoch bigint;
BEGIN
	SELECT epoch INTO v_epoch FROM pane.desktop WHERE id = p_desktop AND user_id = p_user
		AND state = 'ready' AND want = 'running' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO pane.ticket (hash, user_id, desktop_id, epoch, client, nt_hash, expires_at)
		VALUES (p_hash, p_user, p_desktop, v_epoch, p_client, p_nt_hash,
			now() + make_interval(secs => least(p_ttl_s, 30)));
	PERFORM FROM pane.session WHERE desktop_id = p_desktop AND state <> 'ended';
	IF NOT FOUND THEN
		INSERT INTO pane.session (desktop_id, user_id, user_name, state, client)
			SELECT p_desktop, u.id, u.name, 'ticketed', p_client FROM pane.users u
			WHERE u.id = p_user;
	END IF;
	RETURN true;
END $$;

-- The name of the desktop the ticket is for; NULL when it cannot be given now. An assignment made on the
-- way stays, as a user who asks again expects.
CREATE FUNCTION pane.ticket_give(p_user uuid, p_pool text, p_hash bytea, p_source text, p_ttl_s integer,
	p_actor text, p_client text, p_conn text, p_nt_hash bytea DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := (pane.pick_pool(p_user, p_pool, p_client) ->> 'pool')::uuid; o jsonb;
BEGIN
	IF v_pool IS NULL THEN
		RETURN NULL;
	END IF;
	o := pane.assign(p_user, v_pool);
	IF o ->> 'state' IS DISTINCT FROM 'ready'
		OR NOT pane.ticket_create(p_user, (o ->> 'id')::uuid, p_hash, p_source, p_ttl_s, p_nt_hash) THEN
		RETURN NULL;
	END IF;
	INSERT INTO pane.audit (conn, actor, action, object, outcome, client)
		VALUES (p_conn, p_actor, 'ticket.create', o ->> 'desktop', 'ok', p_client);
	RETURN o ->> 'desktop';
END $$;

-- What a proof of p_name's may have been made with: the hashes of their newest tickets that are good now, in hex, with
-- a blank between.
CREATE FUNCTION pane.ticket_proofs(p_name text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(encode(x.nt_hash, 'hex'), ' '), '') FROM (
		SELECT t.nt_hash FROM pane.ticket t JOIN pane.users u ON u.id = t.user_id
		WHERE u.name = lower(p_name) AND NOT u.disabled AND t.used_at IS NULL AND t.expires_at > now()
			AND t.nt_hash IS NOT NULL
		ORDER BY t.created_at DESC LIMIT 16) x
$$;

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

-- The user is about to be let through: mark the desktop touched and the session connecting.
-- False when the desktop is no longer theirs, ready and of that epoch. A pool may keep to some protocols.
CREATE FUNCTION pane.session_begin(p_user uuid, p_desktop uuid, p_epoch bigint, p_protocol text,
	p_client text, p_conn text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_session uuid; v_state pane.session_state; v_only jsonb; v_pool uuid; v_restricted boolean;
BEGIN
	SELECT p.id, p.restricted, p.policy -> 'protocols' INTO v_pool, v_restricted, v_only FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id
		WHERE d.id = p_desktop;
	IF v_only IS NOT NULL AND NOT v_only ? p_protocol THEN
		PERFORM pane.refuse(403, 'protocol.refused', format('This desktop is not reached by %s, but by %s.',
			p_protocol, (SELECT string_agg(x, ', ') FROM jsonb_array_elements_text(v_only) x)));
	END IF;
	IF v_restricted THEN
		PERFORM pane.access_check(p_user, v_pool, p_client);
	END IF;
	UPDATE pane.desktop SET dirty = true
		WHERE id = p_desktop AND user_id = p_user AND epoch = p_epoch AND state = 'ready'
		AND want = 'running';
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	SELECT id, state INTO v_session, v_state FROM pane.session
		WHERE desktop_id = p_desktop AND state <> 'ended' FOR UPDATE;
	IF v_session IS NULL THEN
		INSERT INTO pane.session (desktop_id, user_id, user_name, state, protocol, client, conn)
			SELECT p_desktop, u.id, u.name, 'connecting', p_protocol, p_client, p_conn
			FROM pane.users u WHERE u.id = p_user;
		RETURN true;
	ELSIF v_state = 'logging_off' THEN
		RETURN false;
	END IF;
	UPDATE pane.session s SET protocol = p_protocol, client = p_client, conn = p_conn, ending = '',
		state = CASE WHEN state = 'connected' THEN state ELSE 'connecting' END,
		admitted = pane.admitted(s, p_conn), -- one that was cut begins its time anew
		max_from = CASE WHEN cut_at > coalesce(max_from, created_at) THEN clock_timestamp() ELSE max_from END,
		warned = CASE WHEN cut_at > coalesce(max_from, created_at) THEN '{}' ELSE warned END
		WHERE id = v_session;
	RETURN true;
END $$;

-- pane.ticket_redeem(), and when the desktop is ready also the session and the audit: then the answer has
-- "name", "host", "address" and "epoch" as well, and the grant may be signed.
CREATE FUNCTION pane.connect_ticket(p_hash bytea, p_source text, p_protocol text, p_client text,
	p_conn text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE o jsonb := pane.ticket_redeem(p_hash, p_source); d record;
BEGIN
	IF o ->> 'why' = 'unknown' THEN
		RETURN coalesce(pane.shadow_redeem(p_hash, p_source, p_protocol, p_client, p_conn), o);
	ELSIF o ->> 'ok' IS NULL THEN
		RETURN o;
	END IF;
	SELECT x.id, x.name, x.epoch, h.id AS host, h.address INTO d FROM pane.desktop x
		JOIN pane.host h ON h.id = x.host_id AND h.address <> ''
		WHERE x.id = (o ->> 'desktop')::uuid AND x.state = 'ready';
	IF NOT FOUND OR NOT pane.session_begin((o ->> 'user_id')::uuid, d.id, d.epoch, p_protocol, p_client,
		p_conn) THEN
		RETURN o;
	END IF;
	INSERT INTO pane.audit (conn, actor, action, object, outcome, client)
		VALUES (p_conn, o ->> 'user', 'connect', d.name, 'ok', p_client);
	RETURN o || jsonb_build_object('name', d.name, 'host', d.host, 'address', d.address, 'epoch', d.epoch);
END $$;
