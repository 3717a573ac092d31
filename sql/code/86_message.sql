-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Messages on the screens of desktops: a person's word, what a timer is about to do, that somebody else came in. By
-- level, like all a host is told: those that hold now are in its orders (70_host.sql), each with the time it has left,
-- and one taken back is not in the next.

-- Of a timer, or of a newcomer, the last one counts.
CREATE FUNCTION pane.message_put(p_session uuid, p_kind text, p_text text, p_by text, p_until timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v bigint;
BEGIN
	IF p_kind <> 'person' THEN
		DELETE FROM pane.message WHERE session_id = p_session AND kind = p_kind;
	END IF;
	INSERT INTO pane.message (session_id, kind, text, said_by, until) VALUES (p_session, p_kind, p_text, p_by, p_until)
		RETURNING id INTO v;
	PERFORM pane.viewers_changed(desktop_id) FROM pane.session WHERE id = p_session;
	RETURN v;
END $$;

CREATE FUNCTION pane.message_take(p_session uuid, p_kind text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
	DELETE FROM pane.message WHERE session_id = p_session AND kind = p_kind;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n > 0 THEN
		PERFORM pane.viewers_changed(desktop_id) FROM pane.session WHERE id = p_session;
	END IF;
	RETURN n;
END $$;

-- A host shows four at a time: the last ones.
CREATE FUNCTION pane.messages_on(p_desktop uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(jsonb_build_object('id', x.id::text, 'text', x.text, 'left_ms',
		(extract(epoch FROM x.until - clock_timestamp()) * 1000)::bigint, 'idle', x.kind = 'idle')
		|| CASE x.kind WHEN 'ask' THEN '{"ask":true}' ELSE '{}' END::jsonb ORDER BY x.id)
	FROM (SELECT m.* FROM pane.session s JOIN pane.message m ON m.session_id = s.id WHERE s.desktop_id = p_desktop
		AND s.state <> 'ended' AND m.until > clock_timestamp() ORDER BY m.id DESC LIMIT 4) x
$$;

-- What a person says: to a session that is alive, with a viewer or not (who comes sees it as long as it holds).
CREATE FUNCTION pane.session_message(p_id text, p_text text, p_by text, p_seconds integer) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE s pane.session := pane.need_session(p_id); m pane.message; v bigint;
BEGIN
	IF (SELECT count(*) FROM pane.message x WHERE x.session_id = s.id AND x.kind = 'person' AND x.until > now()) >= 4 THEN
		PERFORM pane.refuse(409, 'message.many', 'Four messages are on that screen already: no more fit. Take them '
			'back first, or wait.');
	END IF;
	v := pane.message_put(s.id, 'person', p_text, p_by, clock_timestamp() + make_interval(secs => p_seconds));
	SELECT * INTO m FROM pane.message WHERE id = v;
	RETURN jsonb_build_object('id', m.id::text, 'session', s.id, 'text', m.text, 'until', m.until,
		'viewers', s.viewers)::text;
END $$;

CREATE FUNCTION pane.session_message_end(p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.message_take((pane.need_session(p_id)).id, 'person');
END $$;

-- Somebody else has come in; both see it.
CREATE FUNCTION pane.message_elsewhere(s pane.session, p_viewers jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v jsonb := p_viewers -> -1;
BEGIN
	PERFORM pane.message_put(s.id, 'elsewhere', format('This desktop was also opened from %s (%s).',
		coalesce(nullif(regexp_replace(v ->> 'client', ':[0-9]+$', ''), ''), 'elsewhere'),
		upper(coalesce(v ->> 'protocol', '?'))), '', clock_timestamp() + interval '15 s');
END $$;

CREATE FUNCTION pane.message_purge() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pane.message m USING pane.session s WHERE s.id = m.session_id AND (m.until < now() OR s.state = 'ended')
$$;
