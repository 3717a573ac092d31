-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Looking at somebody's live session, and helping in it. The pool says whether (off), and whether its user is asked
-- (ask) or told (notice); while anybody looks on, the display says so on the screen. A helper's connection is known by
-- its id: it is nobody's coming back, and lasts no longer than a viewer of the session's own user does.

CREATE FUNCTION pane.shadow_audit(x pane.shadow, p_actor text, p_action text, p_outcome text, p_detail text) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO pane.audit (conn, actor, action, object, outcome, client, detail)
		SELECT x.conn, p_actor, p_action, d.name, p_outcome, x.client,
			concat_ws(' ', 'mode=' || x.mode, 'user=' || s.user_name, 'helper=' || x.helper, nullif(p_detail, ''))
		FROM pane.desktop d, pane.session s WHERE d.id = x.desktop_id AND s.id = x.session_id
$$;

-- Whether there is a session to look at, and the host can; refused if not.
CREATE FUNCTION pane.shadow_check(s pane.session, p_user uuid) RETURNS pane.pool LANGUAGE plpgsql AS $$
DECLARE p pane.pool; h pane.host; v_name text;
BEGIN
	SELECT q.* INTO p FROM pane.desktop d JOIN pane.pool q ON q.id = d.pool_id WHERE d.id = s.desktop_id;
	SELECT x.* INTO h FROM pane.desktop d JOIN pane.host x ON x.id = d.host_id WHERE d.id = s.desktop_id;
	SELECT name INTO v_name FROM pane.desktop WHERE id = s.desktop_id;
	IF p.id IS NULL OR p.shadow = 'off' THEN
		PERFORM pane.refuse(403, 'shadow.off', format('Sessions of pool %s are not to be looked at: its policy says '
			'shadow = off.', coalesce(p.name, '?')));
	ELSIF s.user_id = p_user THEN
		PERFORM pane.refuse(409, 'shadow.own', 'This is your own session: connect to it.');
	ELSIF s.state <> 'connected' THEN
		PERFORM pane.refuse(409, 'shadow.nobody', format('%s is not at desktop %s now (%s): there is nobody to tell.',
			s.user_name, v_name, s.state));
	ELSIF NOT coalesce(h.shadow, false) THEN
		PERFORM pane.refuse(409, 'host.shadow', format('Host %s cannot show a desktop to helpers: its pane-host is too '
			'old.', h.name));
	ELSIF (SELECT count(*) FROM pane.shadow WHERE session_id = s.id AND state <> 'ended') >= 4 THEN
		PERFORM pane.refuse(409, 'shadow.many', 'Four look at this session, or are about to: no more can.');
	ELSIF EXISTS (SELECT FROM pane.shadow WHERE session_id = s.id AND state = 'asking') THEN
		PERFORM pane.refuse(409, 'shadow.busy', format('%s is being asked already.', s.user_name));
	END IF;
	RETURN p;
END $$;

CREATE FUNCTION pane.shadow_request(p_session text, p_user uuid, p_mode text, p_client text, p_conn text,
	p_ask_s integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE s pane.session; p pane.pool; x pane.shadow;
BEGIN
	PERFORM FROM pane.desktop d WHERE d.id = (SELECT desktop_id FROM pane.session WHERE id::text = p_session)
		FOR UPDATE; -- first, as a host's report does
	s := pane.need_session(p_session);
	p := pane.shadow_check(s, p_user);
	INSERT INTO pane.shadow (session_id, desktop_id, helper_id, helper, mode, state, client, expires_at)
		SELECT s.id, s.desktop_id, u.id, u.name, p_mode, CASE p.shadow WHEN 'ask' THEN 'asking' ELSE 'agreed' END,
			p_client, clock_timestamp() + make_interval(secs => p_ask_s) FROM pane.users u WHERE u.id = p_user
		RETURNING * INTO x;
	IF x.state = 'asking' THEN
		x.message_id := pane.message_put(s.id, 'ask', format('%s asks to %s. To allow it click here or press Ctrl+F9; '
			'Ctrl+F10 refuses. ({left})', x.helper, CASE p_mode WHEN 'view' THEN 'see this screen'
			ELSE 'see this screen and use its keyboard and mouse' END), x.helper, x.expires_at);
		UPDATE pane.shadow SET message_id = x.message_id WHERE id = x.id;
	END IF;
	PERFORM pane.shadow_audit(x, x.helper, 'session.shadow', 'ok', 'policy=' || p.shadow);
	RETURN jsonb_build_object('id', x.id::text, 'state', x.state, 'desktop_id', x.desktop_id, 'user', s.user_name)::text;
END $$;

CREATE FUNCTION pane.shadow_end(p_id bigint, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE x pane.shadow; v_was text;
BEGIN
	SELECT * INTO x FROM pane.shadow WHERE id = p_id AND state <> 'ended' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	v_was := x.state;
	UPDATE pane.shadow SET state = 'ended', reason = p_reason, ended_at = clock_timestamp() WHERE id = x.id
		RETURNING * INTO x;
	IF v_was = 'asking' THEN
		PERFORM pane.message_take(x.session_id, 'ask');
		PERFORM pg_notify('pane', 'desktop:' || x.desktop_id);
	END IF;
	PERFORM pane.viewers_changed(x.desktop_id);
	IF v_was = 'viewing' THEN
		PERFORM pane.shadow_audit(x, x.helper, 'shadow.end', 'ok', format('from=%s to=%s why=%s',
			to_char(x.began_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
			to_char(x.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), quote_literal(p_reason)));
	ELSE
		PERFORM pane.shadow_audit(x, x.helper, 'shadow.end', 'refused', 'why=' || quote_literal(p_reason));
	END IF;
END $$;

-- What the user said to a question, as their host reports it, for as long as it is on the screen.
CREATE FUNCTION pane.shadow_answers(p_desktop uuid, p_answers jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a record; x pane.shadow;
BEGIN
	FOR a IN SELECT v ->> 'id' AS id, coalesce((v ->> 'yes')::boolean, false) AS yes
		FROM jsonb_array_elements(CASE jsonb_typeof(p_answers) WHEN 'array' THEN p_answers ELSE '[]' END) v
	LOOP
		SELECT * INTO x FROM pane.shadow WHERE desktop_id = p_desktop AND state = 'asking'
			AND message_id::text = a.id FOR UPDATE;
		CONTINUE WHEN NOT FOUND;
		IF NOT a.yes THEN
			PERFORM pane.shadow_end(x.id, 'the user refused');
			CONTINUE;
		END IF;
		UPDATE pane.shadow SET state = 'agreed', expires_at = clock_timestamp() + interval '30 s' WHERE id = x.id;
		PERFORM pane.message_take(x.session_id, 'ask');
		PERFORM pane.shadow_audit(x, (SELECT user_name FROM pane.session WHERE id = x.session_id), 'shadow.agree', 'ok', '');
		PERFORM pg_notify('pane', 'desktop:' || x.desktop_id);
	END LOOP;
END $$;

-- How it stands: {"state","reason"}.
CREATE FUNCTION pane.shadow_state(p_id bigint) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('state', state, 'reason', reason)::text FROM pane.shadow WHERE id = p_id
$$;

-- Makes the ticket of one that was agreed to; the desktop's name.
CREATE FUNCTION pane.shadow_ticket(p_id bigint, p_hash bytea, p_source text, p_ttl_s integer) RETURNS text
LANGUAGE sql AS $$
	UPDATE pane.shadow x SET hash = p_hash, source = p_source, epoch = d.epoch,
		expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
		FROM pane.desktop d WHERE x.id = p_id AND x.state = 'agreed' AND x.hash IS NULL AND d.id = x.desktop_id
		RETURNING d.name
$$;

-- Why this helper may not be at that desktop (any more); NULL = may.
CREATE FUNCTION pane.shadow_why_not(x pane.shadow) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN u.disabled OR greatest(u.role, pane.delegated_at(u.id, 'desktop', d.name)::pane.role) < 'helpdesk' THEN 'disabled'
		WHEN s.state <> 'connected' OR d.state <> 'ready' OR d.epoch <> x.epoch OR p.shadow = 'off' THEN 'stale' END
	FROM pane.users u, pane.session s, pane.desktop d, pane.pool p WHERE u.id = x.helper_id AND s.id = x.session_id
		AND d.id = x.desktop_id AND p.id = d.pool_id
$$;

-- As pane.ticket_redeem() and pane.connect_ticket() of a helper's ticket, with "mode"; NULL when it is none.
CREATE FUNCTION pane.shadow_redeem(p_hash bytea, p_source text, p_protocol text, p_client text, p_conn text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE x pane.shadow; v_why text; v_only jsonb; d record;
BEGIN
	SELECT * INTO x FROM pane.shadow WHERE hash = p_hash FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT y.id, y.name, h.id AS host, h.address, p.policy -> 'protocols' AS only INTO d FROM pane.desktop y
		JOIN pane.host h ON h.id = y.host_id JOIN pane.pool p ON p.id = y.pool_id WHERE y.id = x.desktop_id;
	v_why := CASE WHEN x.state <> 'agreed' THEN 'reused' WHEN x.expires_at < clock_timestamp() THEN 'expired'
		WHEN x.source <> '' AND p_source <> '' AND x.source <> p_source THEN 'foreign'
		WHEN d.id IS NULL THEN 'stale' ELSE pane.shadow_why_not(x) END;
	IF v_why IS NOT NULL THEN
		PERFORM pane.shadow_end(x.id, v_why) WHERE x.state = 'agreed'; -- spent
		RETURN jsonb_build_object('why', v_why, 'user', x.helper);
	ELSIF d.only IS NOT NULL AND NOT d.only ? p_protocol THEN
		PERFORM pane.refuse(403, 'protocol.refused', format('This desktop is not reached by %s, but by %s.',
			p_protocol, (SELECT string_agg(w, ', ') FROM jsonb_array_elements_text(d.only) w)));
	END IF;
	UPDATE pane.shadow SET state = 'connecting', conn = p_conn, client = p_client,
		expires_at = clock_timestamp() + interval '60 s' WHERE id = x.id RETURNING * INTO x;
	PERFORM pane.shadow_audit(x, x.helper, 'shadow.connect', 'ok', '');
	RETURN jsonb_build_object('ok', true, 'user_id', x.helper_id, 'user', x.helper, 'desktop', d.id, 'pool', '',
		'name', d.name, 'host', d.host, 'address', d.address, 'epoch', x.epoch, 'mode', x.mode);
END $$;

-- The viewers without helpers; with those that use keyboard and mouse, where p_busy.
CREATE FUNCTION pane.viewers_own(p_desktop uuid, p_viewers jsonb, p_busy boolean) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN jsonb_typeof(p_viewers) IS DISTINCT FROM 'array' OR NOT EXISTS (SELECT FROM pane.shadow x
		WHERE x.desktop_id = p_desktop AND x.conn <> '') THEN p_viewers
	ELSE (SELECT coalesce(jsonb_agg(v ORDER BY n), '[]') FROM jsonb_array_elements(p_viewers) WITH ORDINALITY e (v, n)
		WHERE NOT EXISTS (SELECT FROM pane.shadow x WHERE x.desktop_id = p_desktop AND x.conn <> ''
		AND x.conn = v ->> 'conn' AND NOT (p_busy AND x.mode = 'control'))) END
$$;

-- Whether this connection is a helper's; whether that one may stay; both NULL-free.
CREATE FUNCTION pane.is_helper(p_desktop uuid, p_conn text) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.shadow x WHERE x.conn = p_conn AND x.conn <> '' AND x.desktop_id = p_desktop)
$$;

CREATE FUNCTION pane.helper_may_stay(p_desktop uuid, p_conn text) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.shadow x WHERE x.conn = p_conn AND x.conn <> '' AND x.desktop_id = p_desktop
		AND x.state IN ('connecting', 'viewing') AND pane.shadow_why_not(x) IS NULL)
$$;

-- A helper at work is as good as the user's own: nobody is dropped for doing nothing meanwhile.
CREATE FUNCTION pane.helped(p_desktop uuid, p_viewers jsonb, p_idle_s integer) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(p_viewers) WHEN 'array' THEN p_viewers ELSE '[]' END) v
		JOIN pane.shadow x ON x.desktop_id = p_desktop AND x.conn = v ->> 'conn' AND x.mode = 'control'
			AND x.state IN ('connecting', 'viewing')
		WHERE jsonb_typeof(v -> 'idle_s') = 'number' AND (v ->> 'idle_s')::numeric < p_idle_s)
$$;

-- Helpers a host sees, or sees no more.
CREATE FUNCTION pane.shadow_seen(p_desktop uuid, p_viewers jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE x pane.shadow; v_seen boolean;
BEGIN
	FOR x IN SELECT * FROM pane.shadow WHERE desktop_id = p_desktop AND state IN ('connecting', 'viewing') FOR UPDATE
	LOOP
		v_seen := EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(p_viewers) WHEN 'array' THEN p_viewers
			ELSE '[]' END) v WHERE v ->> 'conn' = x.conn);
		IF v_seen AND x.state = 'connecting' THEN
			UPDATE pane.shadow SET state = 'viewing', began_at = clock_timestamp() WHERE id = x.id RETURNING * INTO x;
			PERFORM pane.shadow_audit(x, x.helper, 'shadow.begin', 'ok', '');
		ELSIF NOT v_seen AND x.state = 'viewing' THEN
			PERFORM pane.shadow_end(x.id, 'disconnected');
		END IF;
	END LOOP;
END $$;

-- What was waited for and did not come; and who looked on where there is no session, or no host, any more.
CREATE FUNCTION pane.rec_shadow() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE x record; n integer := 0;
BEGIN
	FOR x IN SELECT y.id, y.state FROM pane.shadow y JOIN pane.session s ON s.id = y.session_id
		JOIN pane.desktop d ON d.id = y.desktop_id LEFT JOIN pane.host h ON h.id = d.host_id
		WHERE y.state <> 'ended' AND ((y.state <> 'viewing' AND y.expires_at < now()) OR s.state = 'ended'
			OR NOT coalesce(h.online, false)) ORDER BY y.id LIMIT 50 FOR UPDATE OF y SKIP LOCKED
	LOOP
		n := n + 1;
		PERFORM pane.shadow_end(x.id, CASE x.state WHEN 'asking' THEN 'nobody answered' WHEN 'agreed' THEN 'ticket not used'
			WHEN 'connecting' THEN 'did not connect' ELSE 'the session is over' END);
	END LOOP;
	DELETE FROM pane.shadow WHERE state = 'ended' AND ended_at < now() - interval '1 hour';
	RETURN n;
END $$;

-- Who looks on now, as lists of sessions say.
CREATE FUNCTION pane.helpers_of(p_session uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('name', x.helper, 'mode', x.mode, 'since', x.began_at) ORDER BY x.id), '[]')
	FROM pane.shadow x WHERE x.session_id = p_session AND x.state = 'viewing'
$$;
