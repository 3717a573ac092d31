-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The two state machines. A transition that is not in its table is refused whoever attempts it, and each
-- one leaves an event. What happens at a deadline is in 80_reconcile.sql.

CREATE FUNCTION pane.desktop_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.epoch < OLD.epoch THEN
		RAISE EXCEPTION 'epoch of desktop % cannot go back', OLD.name
			USING ERRCODE = 'check_violation';
	END IF;
	IF NEW.state IS DISTINCT FROM OLD.state THEN
		PERFORM FROM pane.machine_transition t
			WHERE t.from_state = OLD.state AND t.to_state = NEW.state;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'desktop %: no transition from % to %', OLD.name, OLD.state,
				NEW.state USING ERRCODE = 'check_violation';
		END IF;
		NEW.since := clock_timestamp();
		NEW.deadline := clock_timestamp() + make_interval(secs =>
			(SELECT t.seconds FROM pane.machine_timeout t WHERE t.state = NEW.state));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_guard BEFORE UPDATE ON pane.desktop
	FOR EACH ROW EXECUTE FUNCTION pane.desktop_guard();

-- One order changed: the host's generation moves, and whoever holds its poll is told.
CREATE FUNCTION pane.bump(p_host uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE g bigint;
BEGIN
	INSERT INTO pane.host_generation AS h (host_id) SELECT p_host WHERE p_host IS NOT NULL
		ON CONFLICT (host_id) DO UPDATE SET generation = h.generation + 1
		RETURNING generation INTO g;
	PERFORM pg_notify('pane', 'host:' || p_host);
	RETURN g;
END $$;

CREATE FUNCTION pane.desktop_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND OLD.host_id IS NOT NULL AND OLD.host_id IS DISTINCT FROM NEW.host_id
	THEN
		PERFORM pane.bump(OLD.host_id);
	END IF;
	IF NEW.host_id IS NOT NULL AND (TG_OP = 'INSERT'
		OR (OLD.host_id, OLD.want, OLD.epoch) IS DISTINCT FROM (NEW.host_id, NEW.want, NEW.epoch))
	THEN
		NEW.ordered_generation := pane.bump(NEW.host_id);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_order BEFORE INSERT OR UPDATE ON pane.desktop
	FOR EACH ROW EXECUTE FUNCTION pane.desktop_order();

CREATE FUNCTION pane.desktop_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO pane.event (kind, desktop_id, host_id, name, to_state, epoch, reason)
			VALUES ('machine', NEW.id, NEW.host_id, NEW.name, NEW.state, NEW.epoch,
				NEW.reason);
	ELSIF NEW.state IS DISTINCT FROM OLD.state THEN
		INSERT INTO pane.event (kind, desktop_id, host_id, name, from_state, to_state,
			epoch, reason)
			VALUES ('machine', NEW.id, coalesce(NEW.host_id, OLD.host_id), NEW.name,
				OLD.state, NEW.state, NEW.epoch, NEW.reason);
		PERFORM pg_notify('pane', 'desktop:' || NEW.id);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER desktop_event AFTER INSERT OR UPDATE ON pane.desktop
	FOR EACH ROW EXECUTE FUNCTION pane.desktop_event();

-- Fetching an image may take longer than a clone may, and so may a line of others that start first: as long as it moves,
-- it goes on.
CREATE FUNCTION pane.desktop_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.deadline := clock_timestamp() + interval '5 minutes';
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_progress BEFORE UPDATE ON pane.desktop FOR EACH ROW
	WHEN (OLD.state = 'cloning' AND NEW.state = 'cloning' AND NEW.reason <> OLD.reason
		AND (NEW.reason LIKE 'fetching image %' OR NEW.reason LIKE 'waiting for its turn%'))
	EXECUTE FUNCTION pane.desktop_progress();

-- "office-{nnn}" gives office-001: the lowest number whose name is free. {pool} is the pool's name. Looked for from the
-- first gap in the numbers of the pool's own desktops on, so that the thousandth is named as fast as the first.
CREATE FUNCTION pane.desktop_next_name(p pane.pool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v text; v_base text := replace(p.name_pattern, '{pool}', p.name); v_head text; v_tail text; v_width integer;
	v_from integer;
BEGIN
	v_width := length(substring(v_base FROM '\{(n+)\}'));
	v_head := split_part(v_base, '{', 1);
	v_tail := split_part(v_base, '}', 2);
	SELECT coalesce(min(x.nth) FILTER (WHERE x.n <> x.nth), count(*) + 1) INTO v_from FROM (
		SELECT y.n, row_number() OVER (ORDER BY y.n) AS nth FROM (
			SELECT DISTINCT substr(d.name, length(v_head) + 1, length(d.name) - length(v_head) - length(v_tail))::integer AS n
			FROM pane.desktop d WHERE d.pool_id = p.id AND d.state <> 'deleted' AND left(d.name, length(v_head)) = v_head
			AND right(d.name, -length(v_head)) ~ ('^[0-9]{1,5}' || v_tail || '$')) y WHERE y.n > 0) x;
	FOR i IN v_from .. 99999 LOOP -- another pool's may have the name
		v := v_head || CASE WHEN length(i::text) >= v_width THEN i::text ELSE lpad(i::text, v_width, '0') END || v_tail;
		PERFORM FROM pane.desktop d WHERE d.name = v AND d.state <> 'deleted';
		IF NOT FOUND THEN
			RETURN v;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

CREATE FUNCTION pane.session_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v_old pane.session_state := 'none';
BEGIN
	IF TG_OP = 'UPDATE' THEN
		v_old := OLD.state;
	END IF;
	IF NEW.state = v_old THEN
		RETURN NEW;
	END IF;
	PERFORM FROM pane.session_transition t
		WHERE t.from_state = v_old AND t.to_state = NEW.state;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'session %: no transition from % to %', NEW.id, v_old, NEW.state
			USING ERRCODE = 'check_violation';
	END IF;
	NEW.since := clock_timestamp();
	NEW.deadline := clock_timestamp() + make_interval(secs =>
		(SELECT t.seconds FROM pane.session_timeout t WHERE t.state = NEW.state));
	IF NEW.state = 'disconnected' THEN
		NEW.deadline := (SELECT clock_timestamp() + make_interval(secs => pane.disconnected_s(p))
			FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id WHERE d.id = NEW.desktop_id);
		NEW.warned := array_remove(array_remove(NEW.warned, 'idle'), 'disconnected');
	ELSIF NEW.state = 'ended' THEN
		NEW.ended_at := clock_timestamp();
		NEW.viewers := 0;
	END IF;
	INSERT INTO pane.event (kind, desktop_id, session_id, name, from_state, to_state, reason)
		VALUES ('session', NEW.desktop_id, NEW.id, NEW.user_name, v_old, NEW.state,
			NEW.reason);
	RETURN NEW;
END $$;
CREATE TRIGGER session_guard BEFORE INSERT OR UPDATE ON pane.session
	FOR EACH ROW EXECUTE FUNCTION pane.session_guard();

-- desktop.user_id follows the assignment, and being a column of the locked row makes
-- SKIP LOCKED re-check it. A container starts again with the home of its user; nobody is in it yet.
CREATE FUNCTION pane.assignment_mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		UPDATE pane.desktop d SET user_id = NEW.user_id,
			home = CASE WHEN d.isolation = 'container'
				THEN pane.home_key(NEW.user_id, NEW.pool_id) END,
			epoch = d.epoch + CASE WHEN d.isolation = 'container'
				AND d.state <> 'requested' THEN 1 ELSE 0 END,
			state = CASE WHEN d.isolation = 'container' AND d.state = 'ready'
				THEN 'booting' ELSE d.state END
			WHERE d.id = NEW.desktop_id AND user_id IS NULL
			AND (NOT dirty) AND state IN ('requested', 'cloning', 'booting', 'ready', 'suspended');
		IF NOT FOUND THEN
			RAISE EXCEPTION 'desktop % cannot be given to another user', NEW.desktop_id
				USING ERRCODE = 'unique_violation';
		END IF;
		UPDATE pane.assignment a SET host_id = d.host_id FROM pane.desktop d
			WHERE a.id = NEW.id AND d.id = NEW.desktop_id AND d.host_id IS NOT NULL;
	ELSIF NEW.released_at IS NOT NULL AND OLD.released_at IS NULL THEN
		UPDATE pane.desktop SET user_id = NULL WHERE id = NEW.desktop_id;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER assignment_mirror AFTER INSERT OR UPDATE ON pane.assignment
	FOR EACH ROW EXECUTE FUNCTION pane.assignment_mirror();

-- The guarded update behind every machine transition: true when it happened.
CREATE FUNCTION pane.machine_to(p_id uuid, p_to pane.machine_state, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop d SET state = p_to, reason = p_reason
		FROM pane.machine_transition t
		WHERE d.id = p_id AND t.from_state = d.state AND t.to_state = p_to;
	RETURN FOUND;
END $$;

CREATE FUNCTION pane.session_to(p_id uuid, p_to pane.session_state, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.session s SET state = p_to, reason = p_reason
		FROM pane.session_transition t
		WHERE s.id = p_id AND t.from_state = s.state AND t.to_state = p_to;
	RETURN FOUND;
END $$;

-- Off the host's disk, then back to the pool ('recycling') or gone ('deleting'). Every order to
-- remove carries a new epoch, so nothing said about the old life counts afterwards.
CREATE FUNCTION pane.machine_remove(p_id uuid, p_to pane.machine_state, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF p_to NOT IN ('recycling', 'deleting') THEN
		RAISE EXCEPTION 'machine_remove: %', p_to;
	END IF;
	UPDATE pane.desktop d SET state = p_to, reason = p_reason, want = 'absent',
		epoch = d.epoch + 1, retry_at = NULL
		FROM pane.machine_transition t
		WHERE d.id = p_id AND t.from_state = d.state AND t.to_state = p_to
		AND d.host_id IS NOT NULL;
	IF FOUND THEN
		RETURN true;
	END IF;
	-- Nowhere yet: nothing to remove.
	IF p_to = 'deleting' THEN
		UPDATE pane.desktop SET state = 'deleted', reason = p_reason, want = 'absent'
			WHERE id = p_id AND host_id IS NULL AND state IN ('requested', 'failed', 'lost');
	ELSE
		UPDATE pane.desktop SET state = 'requested', reason = p_reason, want = 'running',
			dirty = false, retry_at = NULL, epoch = epoch + 1
			WHERE id = p_id AND host_id IS NULL AND state IN ('failed', 'lost');
	END IF;
	RETURN FOUND;
END $$;

-- Stop, then start again: the agent's "stopped" for this epoch turns the order around.
CREATE FUNCTION pane.machine_restart(p_id uuid, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop SET state = 'booting', reason = p_reason, want = 'stopped', suspend = false,
		epoch = epoch + 1, retry_at = NULL, since = clock_timestamp(),
		deadline = clock_timestamp() + make_interval(secs =>
			(SELECT seconds FROM pane.machine_timeout WHERE state = 'booting'))
		WHERE id = p_id AND host_id IS NOT NULL
		AND state IN ('booting', 'ready', 'suspended', 'failed');
	RETURN FOUND;
END $$;

CREATE FUNCTION pane.machine_park(p_desktop uuid, p_reason text, p_suspend boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop SET state = 'suspended', want = 'stopped', suspend = p_suspend, epoch = epoch + 1,
		reason = p_reason WHERE id = p_desktop AND state IN ('booting', 'ready');
	RETURN FOUND;
END $$;

-- What is suspended goes on where it was: the order is turned around, whether or not its host is done with the last one.
CREATE FUNCTION pane.machine_resume(p_desktop uuid, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop SET state = 'booting', want = 'running', suspend = false, epoch = epoch + 1,
		reason = p_reason, retry_at = NULL WHERE id = p_desktop AND state = 'suspended' AND suspend
		AND host_id IS NOT NULL;
	RETURN FOUND;
END $$;

-- What the host says of a desktop that is to be suspended. What was not ready, or is no longer there, is off; what
-- cannot be suspended runs on.
CREATE FUNCTION pane.machine_suspends(d pane.desktop, p_state text, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF p_state = 'suspended' AND d.state = 'lost' THEN -- its host is back
		PERFORM pane.machine_to(d.id, 'suspended', 'suspended');
	ELSIF p_state IN ('stopped', 'failed') THEN
		UPDATE pane.desktop SET suspend = false, reason = format('switched off, not suspended: %s',
			coalesce(nullif(p_reason, ''), 'it did not run')) WHERE id = d.id;
	ELSIF p_state = 'ready' AND p_reason LIKE 'cannot be suspended%' THEN
		UPDATE pane.desktop SET state = 'ready', want = 'running', suspend = false, epoch = epoch + 1,
			reason = p_reason WHERE id = d.id;
	END IF;
END $$;

-- Ends the live session and the assignment of a desktop; a touched one must be recycled.
CREATE FUNCTION pane.release(p_desktop uuid, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_dirty boolean;
BEGIN
	SELECT dirty INTO v_dirty FROM pane.desktop WHERE id = p_desktop FOR UPDATE;
	UPDATE pane.session SET state = 'ended', reason = p_reason
		WHERE desktop_id = p_desktop AND state <> 'ended';
	DELETE FROM pane.ticket WHERE desktop_id = p_desktop AND used_at IS NULL;
	UPDATE pane.assignment SET released_at = now(), release_reason = p_reason
		WHERE desktop_id = p_desktop AND released_at IS NULL;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF v_dirty THEN
		PERFORM pane.machine_remove(p_desktop, 'recycling', p_reason)
			FROM pane.desktop WHERE id = p_desktop AND state <> 'lost';
	END IF;
	RETURN true;
END $$;

CREATE FUNCTION pane.machine_failed(d pane.desktop, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF d.state = 'failed' THEN
		UPDATE pane.desktop SET reason = p_reason WHERE id = d.id AND reason <> p_reason;
		RETURN;
	END IF;
	IF pane.machine_to(d.id, 'failed', p_reason) THEN
		-- 5, 10, 20 ... 320 s, then it is an administrator's turn.
		UPDATE pane.desktop SET retries = d.retries + 1, retry_at = CASE WHEN d.retries < 7
			THEN now() + make_interval(secs => 5 * 2 ^ least(d.retries, 6)) END
			WHERE id = d.id;
	END IF;
END $$;

-- The order to be absent was carried out.
CREATE FUNCTION pane.machine_gone(d pane.desktop) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF d.state = 'deleting' THEN
		UPDATE pane.desktop SET state = 'deleted' WHERE id = d.id;
	ELSIF d.state IN ('recycling', 'failed', 'lost') THEN
		UPDATE pane.desktop SET state = 'requested', reason = '', want = 'running',
			dirty = false, host_id = NULL WHERE id = d.id;
	END IF;
END $$;

CREATE FUNCTION pane.desktop_refused(p_name text, p_verb text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d pane.desktop;
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE name = p_name AND state <> 'deleted';
	PERFORM pane.refuse(409, 'desktop.state', format('Desktop %s is %s and cannot be %s now.%s',
		p_name, d.state, p_verb, CASE WHEN d.state = 'lost'
		THEN ' Bring its host back or delete the host.' ELSE '' END));
END $$;
