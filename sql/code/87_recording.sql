-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Recordings lie on their hosts; here is what there is, and the way of their bytes to who reads them: reading asks the
-- host for a window of pieces (host_recordings_wanted), the host puts them here, the reader takes and removes them.

-- The "recordings" of a report, of hosts that send the list: what is not in it is gone.
CREATE FUNCTION pane.host_recordings(p_host uuid, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_list jsonb := p_report -> 'recordings';
BEGIN
	IF v_list IS NULL OR jsonb_typeof(v_list) <> 'array' THEN
		RETURN;
	END IF;
	INSERT INTO pane.audit (actor, action, object, outcome, detail)
		SELECT 'host/' || p_host, 'recording.gone', r.id::text, 'ok', format('%s of %s, %s: its days or its host''s room '
			'are over', r.desktop, r.user_name, r.began_at)
		FROM pane.recording r WHERE r.host_id = p_host AND NOT r.deleting
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(v_list) x WHERE (x ->> 'id')::uuid = r.id);
	DELETE FROM pane.recording r WHERE r.host_id = p_host
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(v_list) x WHERE (x ->> 'id')::uuid = r.id);
	INSERT INTO pane.recording AS r (id, host_id, desktop_id, desktop, session_id, user_name, began_at, ended_at, bytes,
			days, reason)
		SELECT DISTINCT ON (x ->> 'id') (x ->> 'id')::uuid, p_host, (x ->> 'desktop')::uuid, x ->> 'name',
			(SELECT s.id FROM pane.session s WHERE s.desktop_id = (x ->> 'desktop')::uuid
				AND s.created_at <= to_timestamp((x ->> 'began')::bigint + 1)
				AND coalesce(s.ended_at, 'infinity') >= to_timestamp((x ->> 'began')::bigint)
				ORDER BY s.created_at DESC LIMIT 1),
			coalesce(x ->> 'user', ''), to_timestamp((x ->> 'began')::bigint),
			to_timestamp(nullif((x ->> 'ended')::bigint, 0)), coalesce((x ->> 'bytes')::bigint, 0),
			coalesce((x ->> 'days')::integer, 30), left(coalesce(x ->> 'why', ''), 200)
		FROM jsonb_array_elements(v_list) x
		ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, bytes = excluded.bytes, reason = excluded.reason
			WHERE r.host_id = p_host
			AND (r.ended_at, r.bytes, r.reason) IS DISTINCT FROM (excluded.ended_at, excluded.bytes, excluded.reason);
END $$;

CREATE FUNCTION pane.host_recordings_wanted(p_host uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('drop_recordings', coalesce((SELECT jsonb_agg(r.id ORDER BY r.id) FROM pane.recording r
			WHERE r.host_id = p_host AND r.deleting), '[]'),
		'send_recordings', coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'from', r.want_from, 'to', r.want_to,
			'serial', r.want_serial) ORDER BY r.want_until DESC) FROM (SELECT * FROM pane.recording w
			WHERE w.host_id = p_host AND w.want_until > now() AND NOT w.deleting
			ORDER BY w.want_until DESC LIMIT 16) r), '[]'))
$$;

-- One piece. Of what nobody wants any more, nothing.
CREATE FUNCTION pane.recording_put(p_host uuid, p_id uuid, p_at bigint, p_n integer, p_data text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE v boolean;
BEGIN
	INSERT INTO pane.recording_piece (recording_id, at, n, data)
		SELECT r.id, p_at, p_n, p_data FROM pane.recording r WHERE r.id = p_id AND r.host_id = p_host
		AND r.want_until > now() AND p_at >= r.want_from AND p_at < r.want_to
		ON CONFLICT (recording_id, at) DO UPDATE SET n = excluded.n, data = excluded.data;
	v := FOUND;
	PERFORM pg_notify('pane', 'recording:' || p_id);
	RETURN v;
END $$;

-- One that began, ended or is gone is an event: lists of them are read anew.
CREATE FUNCTION pane.recording_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE r pane.recording := coalesce(NEW, OLD);
BEGIN
	INSERT INTO pane.event (kind, host_id, name, to_state) VALUES ('recording', r.host_id, r.desktop,
		CASE WHEN TG_OP = 'DELETE' THEN 'gone' WHEN r.ended_at IS NULL THEN 'recording' ELSE 'kept' END);
	RETURN NULL;
END $$;
CREATE TRIGGER recording_event AFTER INSERT OR DELETE OR UPDATE OF ended_at ON pane.recording FOR EACH ROW
	EXECUTE FUNCTION pane.recording_event();

CREATE FUNCTION pane.recording_row(r pane.recording) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', r.id, 'desktop', r.desktop, 'user', r.user_name, 'session', r.session_id, 'host', h.name,
		'state', CASE WHEN r.deleting THEN 'deleting' WHEN r.ended_at IS NULL THEN 'recording' ELSE 'kept' END,
		'began_at', r.began_at, 'ended_at', r.ended_at, 'bytes', r.bytes, 'reason', r.reason,
		'kept_until', r.ended_at + make_interval(days => r.days))
	FROM pane.host h WHERE h.id = r.host_id
$$;

-- Newest first. p_after is an id.
CREATE FUNCTION pane.list_recordings(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(pane.recording_row(r) ORDER BY r.began_at DESC, r.id DESC), '[]'), 'id', p_limit)
	FROM (SELECT x.* FROM pane.recording x WHERE p_after = '' OR (x.began_at, x.id) <
			(SELECT y.began_at, y.id FROM pane.recording y WHERE y.id::text = p_after)
		ORDER BY x.began_at DESC, x.id DESC LIMIT p_limit + 1) r
$$;

CREATE FUNCTION pane.need_recording(p_id uuid) RETURNS pane.recording LANGUAGE plpgsql AS $$
DECLARE r pane.recording;
BEGIN
	SELECT * INTO r FROM pane.recording WHERE id = p_id FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'recording.unknown', format('There is no recording %s.', p_id));
	END IF;
	RETURN r;
END $$;

CREATE FUNCTION pane.get_recording(p_id uuid) RETURNS text LANGUAGE sql AS $$
	SELECT pane.recording_row(pane.need_recording(p_id))::text
$$;

CREATE FUNCTION pane.recording_delete(p_id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r pane.recording := pane.need_recording(p_id);
BEGIN
	IF r.ended_at IS NULL THEN
		PERFORM pane.refuse(409, 'recording.open', format('Recording %s goes on. It can be deleted when its session has '
			'paused or ended.', p_id));
	END IF;
	UPDATE pane.recording SET deleting = true WHERE id = p_id;
	PERFORM pane.bump(r.host_id);
	RETURN format('%s of %s, %s', r.desktop, r.user_name, r.began_at);
END $$;

-- Asks for the window behind p_at, anew where what was asked for has not come for long.
CREATE FUNCTION pane.recording_want(r pane.recording, p_at bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_window constant bigint := 12 * 786432; v_again boolean;
BEGIN
	v_again := coalesce(r.want_until, '-infinity') < now() OR p_at < r.want_from OR p_at > r.want_to
		OR r.wanted_at < now() - interval '15 s';
	IF v_again OR p_at >= (r.want_from + r.want_to) / 2 THEN
		UPDATE pane.recording SET want_from = p_at, want_to = p_at + v_window, want_until = now() + interval '60 s',
			want_serial = want_serial + v_again::integer, wanted_at = now() WHERE id = r.id;
		PERFORM pane.bump(r.host_id);
	ELSIF r.want_until < now() + interval '30 s' THEN
		UPDATE pane.recording SET want_until = now() + interval '60 s' WHERE id = r.id;
	END IF;
END $$;

-- What begins at p_at; NULL: it is on its way. Who reads from the beginning is in the audit.
CREATE FUNCTION pane.recording_read(p_who jsonb, p_id uuid, p_at bigint, p_first boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r pane.recording := pane.need_recording(p_id); x pane.recording_piece;
BEGIN
	IF p_first AND p_at = 0 THEN
		INSERT INTO pane.audit (conn, actor, action, object, outcome, client, detail)
			VALUES (p_who ->> 'conn', p_who ->> 'name', 'recording.export', p_id::text, 'ok', p_who ->> 'client',
			format('%s of %s, %s', r.desktop, r.user_name, r.began_at));
	END IF;
	IF r.deleting THEN
		PERFORM pane.refuse(404, 'recording.unknown', format('Recording %s is being deleted.', p_id));
	END IF;
	IF p_at >= r.bytes THEN
		RETURN jsonb_build_object('offset', p_at, 'bytes', r.bytes, 'data', '')::text;
	END IF;
	SELECT * INTO x FROM pane.recording_piece WHERE recording_id = p_id AND at = p_at;
	IF FOUND THEN
		DELETE FROM pane.recording_piece WHERE recording_id = p_id AND at < p_at;
		UPDATE pane.recording SET wanted_at = now() WHERE id = p_id; -- it moves on
		r.wanted_at := now();
		PERFORM pane.recording_want(r, p_at + x.n);
		RETURN jsonb_build_object('offset', p_at, 'bytes', r.bytes, 'data', x.data)::text;
	END IF;
	PERFORM FROM pane.host WHERE id = r.host_id AND online;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'host.lost', 'The host that has this recording does not answer. Try again when it is back.');
	END IF;
	PERFORM pane.recording_want(r, p_at);
	RETURN NULL;
END $$;

CREATE FUNCTION pane.recording_purge() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pane.recording_piece p USING pane.recording r WHERE r.id = p.recording_id
		AND coalesce(r.want_until, '-infinity') < now();
$$;
