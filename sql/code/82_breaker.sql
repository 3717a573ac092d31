-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The circuit breaker of a pool: when new desktops fail to start, one after another without a success between, no
-- more are made or tried again, and the pool says why. After ten minutes one is tried, and closes it when it gets
-- ready; an administrator closes it at once (pane pools retry). Desktops that work, and those people have used, go on.

-- Also the trial of one.
CREATE FUNCTION pane.pool_may_make(p_pool uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_stopped timestamptz; v_try timestamptz;
BEGIN
	SELECT stopped_at, try_at INTO v_stopped, v_try FROM pane.pool WHERE id = p_pool;
	RETURN v_stopped IS NULL OR (v_try <= now() AND NOT EXISTS (SELECT FROM pane.desktop
		WHERE pool_id = p_pool AND state IN ('cloning', 'booting') AND NOT dirty));
END $$;

CREATE FUNCTION pane.pool_stopped_text(p_pool uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('pool %s makes no desktops since %s: %s. One is tried at %s; pane pools retry %s goes on now.', p.name,
		to_char(p.stopped_at, 'YYYY-MM-DD HH24:MI:SS TZ'), p.stopped_reason, to_char(p.try_at, 'HH24:MI:SS'), p.name)
	FROM pane.pool p WHERE p.id = p_pool AND p.stopped_at IS NOT NULL
$$;

CREATE FUNCTION pane.breaker_failed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.pool SET failures = failures + 1 WHERE id = NEW.pool_id;
	UPDATE pane.pool SET stopped_at = coalesce(stopped_at, now()), try_at = now() + interval '10 minutes',
		stopped_reason = format('%s desktops in a row could not be started, the last, %s, with: %s', failures, NEW.name,
			left(NEW.reason, 300))
		WHERE id = NEW.pool_id AND breaker_failures > 0 AND failures >= breaker_failures;
	RETURN NULL;
END $$;
CREATE TRIGGER breaker_failed AFTER UPDATE OF state ON pane.desktop FOR EACH ROW
	WHEN (NEW.state = 'failed' AND OLD.state IN ('cloning', 'booting') AND NOT NEW.dirty)
	EXECUTE FUNCTION pane.breaker_failed();

-- Failed desktops are tried again at once, but for those somebody is at work on.
CREATE FUNCTION pane.breaker_close(p_pool uuid, p_stopped boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.pool SET failures = 0, stopped_at = NULL, stopped_reason = '', try_at = NULL
		WHERE id = p_pool AND failures > 0;
	UPDATE pane.desktop SET retries = 0, retry_at = now() WHERE p_stopped AND id IN (SELECT id FROM pane.desktop
		WHERE pool_id = p_pool AND state = 'failed' ORDER BY id FOR UPDATE SKIP LOCKED);
END $$;

CREATE FUNCTION pane.breaker_ready() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.breaker_close(id, stopped_at IS NOT NULL) FROM pane.pool WHERE id = NEW.pool_id AND failures > 0;
	RETURN NULL;
END $$;
CREATE TRIGGER breaker_ready AFTER UPDATE OF state ON pane.desktop FOR EACH ROW
	WHEN (NEW.state = 'ready' AND OLD.state IN ('cloning', 'booting') AND NOT NEW.dirty)
	EXECUTE FUNCTION pane.breaker_ready();

CREATE FUNCTION pane.breaker_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.event (kind, name, to_state, reason) VALUES ('pool', NEW.name,
		CASE WHEN NEW.stopped_at IS NULL THEN 'going on' ELSE 'stopped' END, NEW.stopped_reason);
	RETURN NULL;
END $$;
CREATE TRIGGER breaker_event AFTER UPDATE OF stopped_at ON pane.pool FOR EACH ROW
	WHEN ((OLD.stopped_at IS NULL) <> (NEW.stopped_at IS NULL)) EXECUTE FUNCTION pane.breaker_event();

-- Now: failed desktops are tried again at once, and the pool makes what it lacks.
CREATE FUNCTION pane.pool_retry(p_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_pool(p_name);
BEGIN
	PERFORM pane.breaker_close(v, true);
	UPDATE pane.pool SET blocked = '{}' WHERE id = v AND blocked <> '{}';
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_pool(p_name);
END $$;
