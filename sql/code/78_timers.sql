-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Timers of sessions: nobody does anything (idle), nobody is there (disconnected), it lasts too long (max). Each
-- warns before it acts, once, by an event; who is back at work meanwhile is warned anew next time. Viewers are
-- disconnected by level, like all that are unwelcome (70_host.sql): a broker that dies half-way changes nothing.

-- How long before a timer of p_limit seconds acts it is warned of.
CREATE FUNCTION pane.warns_s(p pane.pool, p_limit integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT least(p.warn_s, p_limit / 2)
$$;

-- How long a session of the pool may be without a viewer; NULL = for ever.
CREATE FUNCTION pane.disconnected_s(p pane.pool) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN pane.disconnected_action(p) = 'logoff' THEN nullif(p.logoff_after_s, 0) END
$$;

CREATE FUNCTION pane.disconnected_action(p pane.pool) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(p.disconnected_action, CASE p.assignment WHEN 'floating' THEN 'logoff' ELSE 'keep' END)
$$;

-- Once for each time a timer comes near: an event, and, to whoever is there, a message on the screen until then.
CREATE FUNCTION pane.session_warn(p_session uuid, p_timer text, p_will text, p_why text, p_seconds integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.session SET warned = warned || p_timer WHERE id = p_session AND NOT p_timer = ANY (warned);
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO pane.event (kind, desktop_id, session_id, name, to_state, reason)
		SELECT 'warning', desktop_id, id, user_name, p_timer,
			format('will be %s in %s s: %s', p_will, p_seconds, p_why) FROM pane.session WHERE id = p_session;
	IF p_timer <> 'disconnected' THEN
		PERFORM pane.message_put(p_session, p_timer, format('You will be %s in {left}: %s.', p_will, p_why), '',
			clock_timestamp() + make_interval(secs => p_seconds));
	END IF;
	RETURN true;
END $$;

-- The viewers a host reports, each with how long its user did nothing: a session is as idle as the least of
-- them. Disconnecting is left to pane.host_drops().
CREATE FUNCTION pane.session_idle(d pane.desktop, p_viewers jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE p pane.pool; s pane.session; v_idle numeric;
BEGIN
	IF jsonb_typeof(p_viewers) IS DISTINCT FROM 'array' OR p_viewers = '[]' THEN
		RETURN;
	END IF;
	SELECT * INTO p FROM pane.pool WHERE id = d.pool_id AND idle_s > 0;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO s FROM pane.session WHERE desktop_id = d.id AND state = 'connected';
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT min(CASE jsonb_typeof(v -> 'idle_s') WHEN 'number' THEN (v ->> 'idle_s')::numeric ELSE 0 END)
		INTO v_idle FROM jsonb_array_elements(p_viewers) v;
	IF v_idle >= p.idle_s AND p.idle_action = 'logoff' THEN
		PERFORM pane.logoff(d.id, format('idle for %s s', p.idle_s));
	ELSIF v_idle >= p.idle_s THEN
		UPDATE pane.session SET ending = format('idle for %s s', p.idle_s) WHERE id = s.id AND ending = '';
	ELSIF v_idle >= p.idle_s - pane.warns_s(p, p.idle_s) THEN
		PERFORM pane.session_warn(s.id, 'idle', CASE p.idle_action WHEN 'logoff' THEN 'logged off'
			ELSE 'disconnected' END, 'nobody does anything', (p.idle_s - v_idle)::integer);
	ELSIF 'idle' = ANY (s.warned) THEN
		UPDATE pane.session SET warned = array_remove(warned, 'idle') WHERE id = s.id;
		PERFORM pane.message_take(s.id, 'idle');
	END IF;
END $$;

-- Viewers let in since a session was cut; a host knows no more of them at a time than a few.
CREATE FUNCTION pane.admitted(s pane.session, p_conn text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN s.cut_at IS NULL THEN s.admitted
		ELSE (s.admitted || p_conn)[greatest(1, cardinality(s.admitted) - 14):] END
$$;

CREATE FUNCTION pane.session_cut(p_session uuid, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	UPDATE pane.session SET cut_at = clock_timestamp(), admitted = '{}', ending = p_reason WHERE id = p_session
		RETURNING desktop_id INTO v;
	PERFORM pane.viewers_changed(v);
END $$;

-- What pools say of their timers has changed: sessions without a viewer wait as long as it says now.
CREATE FUNCTION pane.timers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.session s SET deadline = s.since + make_interval(secs => pane.disconnected_s(NEW))
		FROM pane.desktop d WHERE d.id = s.desktop_id AND d.pool_id = NEW.id AND s.state = 'disconnected';
	RETURN NULL;
END $$;
CREATE TRIGGER timers_changed AFTER UPDATE ON pane.pool FOR EACH ROW
	WHEN ((NEW.logoff_after_s, NEW.disconnected_action) IS DISTINCT FROM (OLD.logoff_after_s, OLD.disconnected_action))
	EXECUTE FUNCTION pane.timers_changed();

-- Sessions of pools whose hours end soon or are over, where the pool says that this ends them. Of the pool's own rule,
-- not those of entitlements. One that goes on the next day is warned anew.
CREATE FUNCTION pane.rec_session_hours() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE s record; n integer := 0;
BEGIN
	FOR s IN SELECT x.id, x.desktop_id, p.hours_action AS action, p.warn_s, t.left_s, 'hours' = ANY (x.warned) AS warned
		FROM pane.pool p JOIN pane.access a ON a.pool_id = p.id AND a.user_id IS NULL AND a.group_id IS NULL
		CROSS JOIN LATERAL (SELECT pane.open_left_s(a.open, p.timezone, now()) AS left_s) t
		JOIN pane.desktop d ON d.pool_id = p.id JOIN pane.session x ON x.desktop_id = d.id
		WHERE p.hours_action <> 'keep' AND p.deleted_at IS NULL AND x.state NOT IN ('ended', 'logging_off')
		AND CASE WHEN t.left_s = 0 THEN p.hours_action = 'logoff' OR (x.state = 'connected' AND x.ending = '')
			ELSE 'hours' = ANY (x.warned) <> coalesce(t.left_s <= p.warn_s, false) END
		ORDER BY x.id LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + 1;
		IF s.left_s = 0 AND s.action = 'logoff' THEN
			PERFORM pane.logoff(s.desktop_id, 'the hours of its pool are over');
		ELSIF s.left_s = 0 THEN
			PERFORM pane.session_cut(s.id, 'the hours of its pool are over');
		ELSIF s.warned THEN
			UPDATE pane.session SET warned = array_remove(warned, 'hours') WHERE id = s.id;
			PERFORM pane.message_take(s.id, 'hours');
		ELSE
			PERFORM pane.session_warn(s.id, 'hours', CASE s.action WHEN 'logoff' THEN 'logged off' ELSE 'disconnected' END,
				'the hours of its pool end', s.left_s::integer);
		END IF;
	END LOOP;
	RETURN n;
END $$;

-- Sessions near or past the longest their pool allows.
CREATE FUNCTION pane.rec_session_max() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE s record; n integer := 0;
BEGIN
	FOR s IN SELECT x.id, x.desktop_id, p.session_max_action AS action, t.due
		FROM pane.session x JOIN pane.desktop d ON d.id = x.desktop_id JOIN pane.pool p ON p.id = d.pool_id
		CROSS JOIN LATERAL (SELECT coalesce(x.max_from, x.created_at) + make_interval(secs => p.session_max_s) AS due) t
		WHERE p.session_max_s > 0 AND x.state NOT IN ('ended', 'logging_off')
		AND (x.cut_at IS NULL OR x.cut_at <= x.max_from) AND (t.due < now() OR (NOT 'max' = ANY (x.warned)
			AND t.due - make_interval(secs => pane.warns_s(p, p.session_max_s)) < now()))
		ORDER BY x.id LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + 1;
		IF s.due > now() THEN
			PERFORM pane.session_warn(s.id, 'max', CASE s.action WHEN 'logoff' THEN 'logged off' ELSE 'disconnected' END,
				'its time is over then', ceil(extract(epoch FROM s.due - now()))::integer);
		ELSIF s.action = 'logoff' THEN
			PERFORM pane.logoff(s.desktop_id, 'its time is over');
		ELSE
			PERFORM pane.session_cut(s.id, 'its time is over');
		END IF;
	END LOOP;
	RETURN n;
END $$;

-- Those nobody has come back to in time end at their deadline (pane.rec_deadlines).
CREATE FUNCTION pane.rec_timers() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE s record; n integer := pane.rec_session_max() + pane.rec_session_hours();
BEGIN
	FOR s IN SELECT x.id, x.deadline FROM pane.session x JOIN pane.desktop d ON d.id = x.desktop_id
		JOIN pane.pool p ON p.id = d.pool_id
		WHERE x.state = 'disconnected' AND x.deadline > now() AND NOT 'disconnected' = ANY (x.warned) AND x.deadline
			< now() + make_interval(secs => pane.warns_s(p, p.logoff_after_s)) ORDER BY x.id LIMIT 50
		FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + 1;
		PERFORM pane.session_warn(s.id, 'disconnected', 'logged off', 'nobody has come back',
			ceil(extract(epoch FROM s.deadline - now()))::integer);
	END LOOP;
	RETURN n;
END $$;
