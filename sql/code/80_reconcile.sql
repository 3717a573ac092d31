-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What any broker does every second: each function is idempotent and skips rows another broker is working
-- on. Each answers how many rows it changed.

CREATE FUNCTION pane.rec_hosts() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE h record; d record; n integer := 0;
BEGIN
	FOR h IN SELECT id, name, last_sync_at FROM pane.host WHERE online AND sync_due_at < now()
		ORDER BY id FOR UPDATE SKIP LOCKED
	LOOP
		UPDATE pane.host SET online = false WHERE id = h.id;
		INSERT INTO pane.event (kind, host_id, name, from_state, to_state, reason)
			VALUES ('host', h.id, h.name, 'online', 'lost', 'no sync');
		n := n + 1;
		FOR d IN SELECT id FROM pane.desktop WHERE host_id = h.id AND state NOT IN
			('deleted', 'requested', 'lost') ORDER BY id FOR UPDATE
		LOOP
			PERFORM pane.machine_to(d.id, 'lost', format('host %s not heard from since %s',
				h.name, to_char(h.last_sync_at, 'YYYY-MM-DD HH24:MI:SS TZ')));
		END LOOP;
	END LOOP;
	RETURN n;
END $$;

-- Every transient state ends: in failure for what was starting, in another try for what was
-- being removed.
CREATE FUNCTION pane.rec_deadlines() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; s pane.session; n integer := 0;
BEGIN
	FOR d IN SELECT * FROM pane.desktop WHERE deadline < now() ORDER BY id LIMIT 100
		FOR UPDATE SKIP LOCKED
	LOOP
		n := n + 1;
		IF d.state IN ('cloning', 'booting') THEN
			PERFORM pane.machine_failed(d, format('%s took longer than %s s%s', d.state,
				extract(epoch FROM d.deadline - d.since)::integer,
				CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '' END));
		ELSIF d.state = 'draining' THEN
			PERFORM pane.machine_remove(d.id, 'recycling', 'drained');
		ELSE -- recycling, deleting: order again under a new epoch
			UPDATE pane.desktop SET epoch = epoch + 1, reason = 'the host has not removed it yet',
				deadline = now() + make_interval(secs =>
					(SELECT seconds FROM pane.machine_timeout t WHERE t.state = d.state))
				WHERE id = d.id;
		END IF;
	END LOOP;
	FOR s IN SELECT * FROM pane.session WHERE deadline < now() ORDER BY id LIMIT 100
		FOR UPDATE SKIP LOCKED
	LOOP
		n := n + 1;
		IF s.state = 'ticketed' THEN
			PERFORM pane.session_to(s.id, 'ended', 'ticket not used');
		ELSIF s.state = 'connecting' THEN
			PERFORM pane.session_to(s.id, 'disconnected', 'did not connect');
		ELSIF s.state = 'disconnected' THEN
			PERFORM pane.logoff(s.desktop_id, 'disconnected too long');
		ELSE
			PERFORM pane.session_to(s.id, 'ended', 'logged off');
		END IF;
	END LOOP;
	RETURN n;
END $$;

-- Failed machines whose time has come; a held or touched dedicated disk is restarted, all else
-- starts over, maybe elsewhere. Touched machines nobody holds are recycled.
CREATE FUNCTION pane.rec_repair() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; n integer := 0;
BEGIN
	FOR d IN SELECT x.id, x.user_id, x.dirty, x.reason, x.pool_id FROM pane.desktop x
		JOIN pane.host h ON h.id = x.host_id AND h.online
		WHERE x.state = 'failed' AND x.retry_at < now()
		ORDER BY x.id LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		CONTINUE WHEN NOT d.dirty AND NOT pane.pool_may_make(d.pool_id);
		n := n + 1;
		IF d.user_id IS NOT NULL AND d.dirty THEN
			PERFORM pane.machine_restart(d.id, 'restarting after: ' || d.reason);
		ELSE
			PERFORM pane.machine_remove(d.id, 'recycling', 'starting over after: ' || d.reason);
		END IF;
	END LOOP;
	FOR d IN SELECT id FROM pane.desktop WHERE dirty AND user_id IS NULL AND host_id IS NOT NULL
		AND state IN ('cloning', 'booting', 'ready', 'suspended')
		ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED
	LOOP
		n := n + 1;
		PERFORM pane.machine_remove(d.id, 'recycling', 'used');
	END LOOP;
	RETURN n;
END $$;

-- Requested machines get a host; pools get their spare ones; deleted pools lose theirs.
CREATE FUNCTION pane.rec_pools() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; p pane.pool; n integer := 0; v_host uuid; v_reasons text[]; v_n integer;
BEGIN
	IF NOT pg_try_advisory_xact_lock(1885433445, 1) THEN
		RETURN 0; -- somebody is placing; their work is seen next time
	END IF;
	FOR d IN SELECT x.id, x.pool_id, x.user_id, x.reason FROM pane.desktop x JOIN pane.pool q ON q.id = x.pool_id
		WHERE x.state = 'requested' AND q.deleted_at IS NULL
		ORDER BY x.user_id IS NULL, x.since LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		EXIT WHEN n > 0 AND pane.pass_over();
		v_host := NULL;
		v_reasons := ARRAY[pane.pool_stopped_text(d.pool_id)];
		IF pane.pool_may_make(d.pool_id) THEN
			SELECT host, reasons INTO v_host, v_reasons FROM pane.place_host(d.pool_id,
				pane.home_hosts(d.user_id, d.pool_id));
		END IF;
		IF v_host IS NOT NULL THEN
			PERFORM pane.place(d.id, v_host);
			n := n + 1;
		ELSIF d.reason <> array_to_string(v_reasons, '; ') THEN
			UPDATE pane.desktop SET reason = array_to_string(v_reasons, '; ') WHERE id = d.id;
		END IF;
	END LOOP;
	FOR p IN SELECT * FROM pane.pool WHERE deleted_at IS NULL ORDER BY id LOOP
		SELECT x.n, x.reasons INTO v_n, v_reasons FROM pane.spares_settle(p) x;
		n := n + v_n;
		IF coalesce(v_reasons, '{}') = '{}' AND p.stopped_at IS NOT NULL THEN
			v_reasons := ARRAY[pane.pool_stopped_text(p.id)];
		END IF;
		UPDATE pane.pool SET blocked = coalesce(v_reasons, '{}')
			WHERE id = p.id AND blocked IS DISTINCT FROM coalesce(v_reasons, '{}');
	END LOOP;
	FOR d IN SELECT x.id FROM pane.desktop x JOIN pane.pool q ON q.id = x.pool_id
		WHERE q.deleted_at IS NOT NULL AND x.state NOT IN ('deleted', 'deleting', 'lost')
		ORDER BY x.id LIMIT 200 FOR UPDATE OF x SKIP LOCKED
	LOOP
		PERFORM pane.machine_remove(d.id, 'deleting', 'pool deleted');
		n := n + 1;
	END LOOP;
	IF n > 0 AND pane.pass_over() THEN
		PERFORM pg_notify('pane', 'reconcile');
	END IF;
	RETURN n;
END $$;

-- Whose dedicated desktops are made in advance gets one; how many did. A person whose row somebody works on (an import)
-- has their turn the next time.
CREATE FUNCTION pane.provision_pool(p pane.pool) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE e record; n integer := 0; o jsonb; v_why text[];
BEGIN
	FOR e IN SELECT x.user_id, x.blocked FROM pane.entitlement x
		JOIN pane.users u ON u.id = x.user_id AND NOT u.disabled
		WHERE x.pool_id = p.id AND (p.provision = 'always' OR EXISTS (SELECT
			FROM pane.membership m JOIN pane.group_entitlement g ON g.group_id = m.group_id
			WHERE m.user_id = x.user_id AND g.pool_id = p.id))
		AND NOT EXISTS (SELECT FROM pane.assignment a WHERE a.user_id = x.user_id
			AND a.pool_id = p.id AND a.released_at IS NULL)
		ORDER BY x.created_at, x.user_id LIMIT 50 FOR UPDATE OF x SKIP LOCKED FOR NO KEY UPDATE OF u SKIP LOCKED
	LOOP
		EXIT WHEN n > 0 AND pane.pass_over();
		o := pane.assign(e.user_id, p.id);
		v_why := ARRAY(SELECT jsonb_array_elements_text(o -> 'reasons'));
		IF o ->> 'id' IS NULL THEN -- the others would hear the same
			UPDATE pane.entitlement SET blocked = v_why WHERE pool_id = p.id AND blocked <> v_why
				AND user_id IN (SELECT user_id FROM pane.entitlement WHERE pool_id = p.id
				EXCEPT SELECT user_id FROM pane.assignment WHERE pool_id = p.id AND released_at IS NULL);
			RETURN n;
		END IF;
		n := n + 1;
		UPDATE pane.entitlement SET blocked = '{}' WHERE pool_id = p.id AND user_id = e.user_id
			AND blocked <> '{}';
	END LOOP;
	RETURN n;
END $$;

CREATE FUNCTION pane.rec_provision() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE p pane.pool; n integer := 0;
BEGIN
	FOR p IN SELECT * FROM pane.pool WHERE assignment = 'dedicated' AND deleted_at IS NULL
		AND provision <> 'login' ORDER BY id
	LOOP
		n := n + pane.provision_pool(p);
	END LOOP;
	IF n >= 50 OR (n > 0 AND pane.pass_over()) THEN
		PERFORM pg_notify('pane', 'reconcile');
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION pane.rec_bin() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE b record; n integer := 0;
BEGIN
	DELETE FROM pane.bin x WHERE NOT EXISTS (SELECT FROM pane.assignment a
		WHERE a.desktop_id = x.desktop_id AND a.user_id = x.user_id AND a.released_at IS NULL);
	FOR b IN SELECT x.desktop_id, x.reason, x.delete_at < now() AS due FROM pane.bin x
		JOIN pane.desktop d ON d.id = x.desktop_id
		WHERE x.delete_at < now() OR d.state IN ('booting', 'ready')
		ORDER BY x.desktop_id LIMIT 50 FOR UPDATE OF d SKIP LOCKED
	LOOP
		n := n + 1;
		IF b.due THEN
			PERFORM pane.release(b.desktop_id, 'out of the bin: its time is over');
			PERFORM pane.machine_remove(b.desktop_id, 'deleting', 'out of the bin: its time is over')
				FROM pane.desktop WHERE id = b.desktop_id AND state <> 'deleting';
			DELETE FROM pane.bin WHERE desktop_id = b.desktop_id;
		ELSE
			PERFORM pane.machine_park(b.desktop_id, 'in the bin: ' || b.reason);
		END IF;
	END LOOP;
	FOR b IN SELECT name FROM pane.users WHERE delete_at < now() ORDER BY id LIMIT 20
		FOR UPDATE SKIP LOCKED
	LOOP
		n := n + 1;
		PERFORM pane.user_delete(b.name);
		INSERT INTO pane.audit (actor, action, object, outcome, detail)
			VALUES ('broker', 'user.purge', b.name, 'ok', 'their time in the bin is over');
	END LOOP;
	DELETE FROM pane.welcome WHERE expires_at < now();
	RETURN n;
END $$;

CREATE FUNCTION pane.rec_purge() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.ticket WHERE expires_at < now() - interval '1 hour';
	DELETE FROM pane.token WHERE expires_at < now();
	PERFORM pane.picture_purge();
	PERFORM pane.recording_purge();
	PERFORM pane.message_purge();
	PERFORM pane.report_purge();
	PERFORM pane.audit_months();
	UPDATE pane.totp SET next_secret = NULL, next_at = NULL WHERE next_at < now() - interval '1 hour';
	DELETE FROM pane.throttle WHERE last_at < now() - interval '15 minutes';
	DELETE FROM pane.pool p WHERE p.deleted_at IS NOT NULL AND NOT EXISTS
		(SELECT FROM pane.desktop d WHERE d.pool_id = p.id AND d.state <> 'deleted');
	RETURN 0;
END $$;
