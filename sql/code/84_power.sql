-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What becomes of a desktop when its session has ended. A floating one is recycled, always: it goes to somebody
-- else. A dedicated one stays on (it starts again, which is what ends a session), is switched off until its user
-- comes back, is suspended, or is made new for the same user, who keeps the home. Off is a desired state: whatever else started
-- it, it is switched off again when nobody has come.

CREATE FUNCTION pane.after_logoff(p pane.pool) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(p.after_logoff, CASE p.assignment WHEN 'floating' THEN 'recycle' ELSE 'keep' END)
$$;

-- A session that ends while its desktop is suspended: there is nothing to come back to any more.
CREATE FUNCTION pane.machine_forget(p_desktop uuid, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop SET suspend = false, epoch = epoch + 1, reason = 'switched off: ' || p_reason
		WHERE id = p_desktop AND state = 'suspended' AND suspend;
	RETURN FOUND;
END $$;

-- Suspended where something runs and the host can, else off.
CREATE FUNCTION pane.machine_put(p_desktop uuid, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_can boolean;
BEGIN
	v_can := EXISTS (SELECT FROM pane.desktop d JOIN pane.host h ON h.id = d.host_id AND h.suspend
		WHERE d.id = p_desktop AND d.state = 'ready' AND p_reason NOT LIKE 'guest powered off%');
	PERFORM pane.machine_park(p_desktop, CASE WHEN v_can THEN 'suspended: ' ELSE 'switched off: ' END || p_reason, v_can);
END $$;

CREATE FUNCTION pane.logoff(p_desktop uuid, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE p pane.pool;
BEGIN
	SELECT q.* INTO p FROM pane.desktop d JOIN pane.pool q ON q.id = d.pool_id WHERE d.id = p_desktop;
	IF p.assignment IS DISTINCT FROM 'dedicated' THEN
		PERFORM pane.release(p_desktop, p_reason);
		RETURN;
	END IF;
	UPDATE pane.session SET state = 'ended', reason = p_reason WHERE desktop_id = p_desktop AND state <> 'ended';
	IF pane.after_logoff(p) IN ('keep', 'off') AND pane.machine_forget(p_desktop, p_reason) THEN
		RETURN;
	END IF;
	CASE pane.after_logoff(p)
		WHEN 'off' THEN PERFORM pane.machine_park(p_desktop, 'switched off: ' || p_reason);
		WHEN 'suspend' THEN PERFORM pane.machine_put(p_desktop, p_reason);
		WHEN 'recycle' THEN
			DELETE FROM pane.ticket WHERE desktop_id = p_desktop AND used_at IS NULL;
			PERFORM pane.machine_remove(p_desktop, 'recycling', p_reason);
		ELSE PERFORM pane.machine_restart(p_desktop, p_reason);
	END CASE;
END $$;

-- Its user comes: what is off starts, if quotas allow; the reasons when they do not. Those in the bin stay off.
CREATE FUNCTION pane.machine_wanted(p_desktop uuid, p_user uuid, p_pool uuid) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE v_reasons text[];
BEGIN
	PERFORM FROM pane.bin WHERE desktop_id = p_desktop;
	IF FOUND THEN
		RETURN '{}';
	END IF;
	v_reasons := pane.quota_why_not(p_user, p_pool, false);
	IF v_reasons = '{}' THEN
		IF NOT pane.machine_resume(p_desktop, 'its user comes') THEN
			PERFORM pane.machine_restart(p_desktop, 'its user comes');
		END IF;
	END IF;
	RETURN v_reasons;
END $$;

CREATE FUNCTION pane.rec_power() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; n integer := 0;
BEGIN
	FOR d IN SELECT x.id, p.after_logoff FROM pane.pool p JOIN pane.desktop x ON x.pool_id = p.id
		WHERE p.assignment = 'dedicated' AND p.after_logoff IN ('off', 'suspend') AND p.deleted_at IS NULL AND x.state = 'ready'
		AND x.dirty AND x.want = 'running' AND x.since < now() - interval '3 minutes'
		AND NOT EXISTS (SELECT FROM pane.session s WHERE s.desktop_id = x.id AND s.state <> 'ended')
		ORDER BY x.id LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + 1;
		IF d.after_logoff = 'suspend' THEN
			PERFORM pane.machine_put(d.id, 'nobody is logged in');
		ELSE
			PERFORM pane.machine_park(d.id, 'switched off: nobody is logged in');
		END IF;
	END LOOP;
	RETURN n;
END $$;
