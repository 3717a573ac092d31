-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Hosts: enrolment, and the sync in which an agent reports what it observes and reads what is wanted. A
-- report counts only under the desktop's current epoch; older ones change nothing and are audited once an
-- epoch. Who may be on a desktop is said by level: whatever a host reports of viewers is compared with who
-- may be there, and the others are ordered off for as long as they are seen. What makes a viewer unwelcome
-- also moves the host's generation, so the order leaves at once and not with the next report.

-- A host row with a one-time token (by hash), good for an hour. A host that never enrolled
-- gets a fresh token.
CREATE FUNCTION pane.host_create(p_name text, p_hash bytea) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v pane.host;
BEGIN
	INSERT INTO pane.host (name, enroll_hash, enroll_expires_at)
		VALUES (p_name, p_hash, now() + interval '1 hour')
		ON CONFLICT (name) DO UPDATE SET enroll_hash = p_hash,
			enroll_expires_at = now() + interval '1 hour'
			WHERE host.enrolled_at IS NULL
		RETURNING * INTO v;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'host.exists', format('Host %s is enrolled already. '
			'Delete it first to enrol the machine again.', p_name));
	END IF;
	RETURN jsonb_build_object('id', v.id, 'name', v.name, 'expires_in_s', 3600);
END $$;

CREATE FUNCTION pane.host_enroll(p_hash bytea, p_address text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE v_id uuid;
BEGIN
	UPDATE pane.host SET enroll_hash = NULL, enroll_expires_at = NULL, enrolled_at = now(),
		address = nullif(p_address, '')
		WHERE enroll_hash = p_hash AND enroll_expires_at > now() RETURNING id INTO v_id;
	IF NOT FOUND THEN
		PERFORM pane.refuse(403, 'enroll.refused', 'This enrolment token is unknown, used or '
			'older than an hour. Ask an administrator for a new one: pane hosts create NAME.');
	END IF;
	INSERT INTO pane.host_generation (host_id) VALUES (v_id) ON CONFLICT DO NOTHING;
	RETURN v_id;
END $$;

CREATE FUNCTION pane.host_delete(p_name text, p_force boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v pane.host; v_reasons text[]; d record;
BEGIN
	SELECT * INTO v FROM pane.host WHERE name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'host.unknown', format('There is no host %s.', p_name));
	END IF;
	SELECT array_agg(format('desktop %s is %s', x.name, x.state) ORDER BY x.name) INTO v_reasons
		FROM pane.desktop x WHERE x.host_id = v.id AND x.state <> 'deleted';
	IF v_reasons IS NOT NULL AND NOT p_force THEN
		PERFORM pane.refuse(409, 'host.busy', format('Host %s still has desktops. Delete them '
			'first, or force it: their disks are then given up.', p_name), v_reasons);
	END IF;
	FOR d IN SELECT id FROM pane.desktop WHERE host_id = v.id AND state <> 'deleted'
		ORDER BY id FOR UPDATE
	LOOP
		PERFORM pane.release(d.id, 'host removed');
		PERFORM pane.machine_to(d.id, 'lost', 'host removed');
		UPDATE pane.desktop SET state = 'deleted', reason = 'host removed' WHERE id = d.id
			AND state = 'lost';
		UPDATE pane.desktop SET host_id = NULL WHERE id = d.id;
	END LOOP;
	UPDATE pane.home SET host_id = (SELECT h.id FROM pane.host h WHERE h.storage = v.storage AND h.id <> v.id
		ORDER BY h.online DESC, h.name LIMIT 1) WHERE host_id = v.id AND v.storage <> '';
	DELETE FROM pane.host WHERE id = v.id;
END $$;

CREATE FUNCTION pane.list_hosts(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.host_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

CREATE FUNCTION pane.get_host(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT to_jsonb(x)::text FROM pane.host_view x WHERE name = p_name $$;

-- A viewer without a name is taken for the desktop's user.
CREATE FUNCTION pane.may_view(d pane.desktop, p_user text) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.users u
		JOIN pane.entitlement e ON e.user_id = u.id AND e.pool_id = d.pool_id
		JOIN pane.session s ON s.desktop_id = d.id AND s.user_id = u.id
			AND s.state NOT IN ('ended', 'logging_off')
		WHERE u.id = d.user_id AND NOT u.disabled AND u.name = coalesce(p_user, u.name))
$$;

-- Also viewers who did nothing for longer than their pool allows, and those of a session that was cut.
CREATE FUNCTION pane.host_drops(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(x.id, x.conns) FROM (
		SELECT r ->> 'id' AS id, jsonb_agg(v -> 'conn') AS conns
		FROM jsonb_array_elements(coalesce(p_report -> 'desktops', '[]')) r
		CROSS JOIN jsonb_array_elements(CASE jsonb_typeof(r -> 'viewers') WHEN 'array'
			THEN r -> 'viewers' ELSE '[]' END) v
		JOIN pane.desktop d ON d.id = (r ->> 'id')::uuid AND d.host_id = p_host
		LEFT JOIN pane.pool p ON p.id = d.pool_id
		LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended' AND s.cut_at IS NOT NULL
		WHERE v ->> 'conn' <> '' AND CASE WHEN pane.is_helper(d.id, v ->> 'conn')
			THEN NOT pane.helper_may_stay(d.id, v ->> 'conn')
			ELSE NOT pane.may_view(d, v ->> 'user') OR NOT v ->> 'conn' = ANY (s.admitted)
			OR (p.idle_s > 0 AND jsonb_typeof(v -> 'idle_s') = 'number'
			AND (v ->> 'idle_s')::numeric >= p.idle_s AND NOT pane.helped(d.id, r -> 'viewers', p.idle_s)) END
		GROUP BY 1) x
$$;

-- The host of a desktop is to look again.
CREATE FUNCTION pane.viewers_changed(p_desktop uuid) RETURNS void LANGUAGE sql AS $$
	SELECT pane.bump(host_id) FROM pane.desktop WHERE id = p_desktop AND host_id IS NOT NULL
$$;

CREATE FUNCTION pane.session_viewers_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.viewers_changed(NEW.desktop_id);
	RETURN NULL;
END $$;
CREATE TRIGGER session_viewers_out AFTER UPDATE ON pane.session FOR EACH ROW
	WHEN (NEW.state IN ('ended', 'logging_off') AND OLD.state <> NEW.state AND OLD.viewers > 0)
	EXECUTE FUNCTION pane.session_viewers_out();

CREATE FUNCTION pane.entitlement_viewers_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.viewers_changed(d.id) FROM pane.desktop d
		WHERE d.user_id = OLD.user_id AND d.pool_id = OLD.pool_id AND d.state <> 'deleted';
	RETURN NULL;
END $$;
CREATE TRIGGER entitlement_viewers_out AFTER DELETE ON pane.entitlement FOR EACH ROW
	EXECUTE FUNCTION pane.entitlement_viewers_out();

-- Viewers the host sees on a desktop drive its session.
CREATE FUNCTION pane.session_viewers(p_desktop uuid, p_viewers jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE s pane.session; n integer := 0; v jsonb;
BEGIN
	IF jsonb_typeof(p_viewers) = 'array' THEN
		n := jsonb_array_length(p_viewers);
		v := p_viewers -> (n - 1);
	END IF;
	SELECT * INTO s FROM pane.session WHERE desktop_id = p_desktop AND state <> 'ended' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN; -- an admitted viewer always has a session: this one is on its way out
	END IF;
	IF n > 1 AND n > s.viewers THEN
		PERFORM pane.message_elsewhere(s, p_viewers);
	END IF;
	IF n > 0 THEN
		UPDATE pane.session SET viewers = n, conn = coalesce(v ->> 'conn', conn),
			client = coalesce(v ->> 'client', client),
			protocol = coalesce(v ->> 'protocol', protocol),
			state = CASE WHEN state IN ('connecting', 'ticketed', 'disconnected')
				THEN 'connected' ELSE state END
			WHERE id = s.id AND (viewers <> n OR state <> 'connected'
				OR conn IS DISTINCT FROM v ->> 'conn');
	ELSIF s.state = 'connected' THEN
		UPDATE pane.session SET viewers = 0, state = 'disconnected',
			reason = coalesce(nullif(ending, ''), 'no viewer'), ending = '' WHERE id = s.id;
	END IF;
END $$;

CREATE FUNCTION pane.report_stale(d pane.desktop, p_epoch bigint, p_host uuid, p_state text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF d.stale_epoch < d.epoch THEN
		UPDATE pane.desktop SET stale_epoch = epoch WHERE id = d.id;
		INSERT INTO pane.audit (actor, action, object, outcome, detail)
			VALUES ('host/' || p_host, 'report.stale', d.name, 'ignored',
				format('state %s under epoch %s, current is %s', p_state, p_epoch, d.epoch));
	END IF;
END $$;

-- One line of a report, under the current epoch.
CREATE FUNCTION pane.machine_observed(d pane.desktop, p_state text, p_reason text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE v_to pane.machine_state; v_kind pane.assignment_kind; v_after text;
BEGIN
	IF d.want = 'absent' THEN
		IF p_state = 'absent' THEN
			PERFORM pane.machine_gone(d);
		ELSIF d.state = 'lost' THEN -- its host is back and still has it
			PERFORM pane.machine_to(d.id, 'recycling', d.reason);
		END IF;
		RETURN;
	END IF;
	IF d.want = 'stopped' AND d.suspend THEN
		PERFORM pane.machine_suspends(d, p_state, p_reason);
		RETURN;
	END IF;
	IF d.want = 'stopped' THEN
		IF p_state IN ('stopped', 'failed', 'absent') AND d.state <> 'suspended' THEN
			UPDATE pane.desktop SET want = 'running', epoch = epoch + 1,
				state = 'booting' WHERE id = d.id;
		END IF;
		RETURN;
	END IF;
	IF p_state = 'suspended' THEN
		RETURN; -- the order to go on is on its way
	END IF;
	SELECT p.assignment, pane.after_logoff(p) INTO v_kind, v_after FROM pane.pool p WHERE p.id = d.pool_id;
	IF p_state = 'failed' THEN
		PERFORM pane.machine_failed(d, coalesce(nullif(p_reason, ''), 'failed on its host'));
	ELSIF p_state = 'stopped' THEN
		IF v_kind = 'floating' AND d.dirty AND p_reason LIKE 'guest powered off%' THEN
			PERFORM pane.release(d.id, 'guest powered off');
		ELSIF v_kind = 'dedicated' AND v_after <> 'keep' AND d.dirty AND p_reason LIKE 'guest powered off%' THEN
			PERFORM pane.logoff(d.id, 'guest powered off');
		ELSIF d.state NOT IN ('booting', 'failed') THEN
			PERFORM pane.machine_to(d.id, 'booting', coalesce(nullif(p_reason, ''),
				'guest stopped'));
		END IF;
	ELSIF p_state = 'absent' THEN
		IF d.state IN ('ready', 'lost') THEN
			PERFORM pane.machine_failed(d, 'its host no longer has it');
		END IF;
	ELSE
		v_to := p_state::pane.machine_state;
		IF v_to = d.state THEN
			UPDATE pane.desktop SET reason = p_reason WHERE id = d.id AND reason <> p_reason
				AND (p_reason <> '' OR v_to = 'ready'); -- a problem that has passed
		ELSE
			PERFORM pane.machine_to(d.id, v_to, p_reason);
		END IF;
		IF v_to = 'ready' AND d.retries > 0 THEN
			UPDATE pane.desktop SET retries = 0, retry_at = NULL WHERE id = d.id;
		END IF;
	END IF;
END $$;

-- What the host has forgotten although it has read an order that speaks of it.
CREATE FUNCTION pane.report_missing(p_host uuid, p_generation bigint, p_desktops jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE d pane.desktop;
BEGIN
	FOR d IN SELECT * FROM pane.desktop x WHERE x.host_id = p_host
		AND x.ordered_generation <= p_generation
		AND (x.want IN ('absent', 'stopped') OR x.state IN ('ready', 'lost'))
		AND x.state NOT IN ('deleted', 'requested')
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(p_desktops) r
			WHERE r ->> 'id' = x.id::text)
		ORDER BY x.id FOR UPDATE
	LOOP
		PERFORM pane.machine_observed(d, 'absent', '');
	END LOOP;
END $$;

-- The "images" of a sync report. Called before pane.host_report().
CREATE FUNCTION pane.host_versions(p_host uuid, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_list jsonb; x record;
BEGIN
	PERFORM FROM pane.host WHERE id = p_host AND enrolled_at IS NOT NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT coalesce(jsonb_agg(jsonb_build_object('name', i ->> 'name', 'version',
		coalesce(nullif(i ->> 'version', ''), 'unversioned'),
		'state', coalesce(i ->> 'state', 'present'), 'percent', coalesce(i -> 'percent', '0'),
		'reason', left(coalesce(i ->> 'reason', ''), 400),
		'disk_mib', coalesce(i -> 'disk_mib', '0'))), '[]') INTO v_list
		FROM jsonb_array_elements(coalesce(p_report -> 'images', '[]')) i
		WHERE i ->> 'name' ~ '^[a-z0-9][a-z0-9._-]{0,62}$'
		AND coalesce(i ->> 'version', '') ~ '^([a-z0-9][a-z0-9._-]{0,62})?$'
		AND coalesce(i ->> 'state', 'present') IN ('present', 'pulling', 'failed');
	DELETE FROM pane.host_version h WHERE h.host_id = p_host AND NOT EXISTS (
		SELECT FROM jsonb_array_elements(v_list) s WHERE s ->> 'name' = h.name
		AND s ->> 'version' = h.version);
	FOR x IN SELECT DISTINCT ON (s.name, s.version) s.* FROM jsonb_to_recordset(v_list)
		AS s (name text, version text, state text, percent integer, reason text, disk_mib bigint)
		LEFT JOIN pane.host_version h ON h.host_id = p_host AND h.name = s.name
			AND h.version = s.version
		WHERE (h.state, h.percent, h.reason, h.disk_mib) IS DISTINCT FROM
			(s.state, s.percent, s.reason, s.disk_mib) ORDER BY s.name, s.version
	LOOP
		INSERT INTO pane.host_version (host_id, name, version, state, percent, reason,
			disk_mib) VALUES (p_host, x.name, x.version, x.state, x.percent, x.reason,
			x.disk_mib) ON CONFLICT (host_id, name, version) DO UPDATE SET
			state = x.state, percent = x.percent, reason = x.reason, disk_mib = x.disk_mib;
		IF x.state = 'present' THEN
			PERFORM pane.image_found(x.name, x.version, x.disk_mib);
			PERFORM pg_notify('pane', 'reconcile');
		END IF;
	END LOOP;
	PERFORM pane.images_sweep();
END $$;

-- The "images" of a report: the current version of each, and of those only hosts have, how they start.
CREATE FUNCTION pane.host_images(p_host uuid, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_list jsonb := coalesce(p_report -> 'images', '[]');
BEGIN
	DELETE FROM pane.host_image i WHERE i.host_id = p_host AND NOT EXISTS (
		SELECT FROM jsonb_array_elements(v_list) x WHERE x ->> 'name' = i.name);
	INSERT INTO pane.host_image AS i (host_id, name, version, disk_mib)
		SELECT DISTINCT ON (x ->> 'name') p_host, x ->> 'name', coalesce(x ->> 'version', ''),
			coalesce((x ->> 'disk_mib')::bigint, 0)
		FROM jsonb_array_elements(v_list) x
		ON CONFLICT (host_id, name) DO UPDATE SET version = excluded.version,
			disk_mib = excluded.disk_mib
			WHERE (i.version, i.disk_mib) IS DISTINCT FROM (excluded.version, excluded.disk_mib);
	UPDATE pane.image_version v SET boot = 'firmware',
		boot_reason = left(coalesce(x ->> 'boot_reason', ''), 400)
		FROM pane.image i, jsonb_array_elements(v_list) x
		WHERE i.id = v.image_id AND v.origin = 'host' AND v.boot = 'direct'
		AND x ->> 'boot' = 'firmware' AND x ->> 'name' = i.name AND x ->> 'version' = v.version;
END $$;

-- A report that its agent has overtaken since is refused, and so is an agent's that another one of this identity has
-- replaced. The same report twice is taken twice: it came over a connection that broke before the answer.
CREATE FUNCTION pane.host_newest(h pane.host, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_run text := p_report -> 'report' ->> 'run'; v_n bigint := (p_report -> 'report' ->> 'n')::bigint;
BEGIN
	IF v_run IS NULL THEN
		RETURN;
	ELSIF v_run = ANY (h.report_runs[2:]) THEN
		PERFORM pane.refuse(409, 'host.replaced', format('Another agent reports as host %s since. If this one was '
			'not just restarted, two machines hold the same identity: enrol one of them anew.', h.name));
	ELSIF v_run = h.report_runs[1] AND v_n < h.report_n THEN
		PERFORM pane.refuse(409, 'host.late', format('Report %s of host %s comes after report %s: it is ignored.',
			v_n, h.name, h.report_n));
	END IF;
	UPDATE pane.host SET report_n = v_n, report_runs = CASE WHEN v_run = report_runs[1] THEN report_runs
		ELSE v_run || report_runs[:7] END WHERE id = h.id;
END $$;

-- What a host is and can, as it says.
CREATE FUNCTION pane.host_capacity(p_host uuid, p_report jsonb, p_due_s integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v_cap jsonb := coalesce(p_report -> 'capacity', '{}'); v_seq bigint; v_host pane.host;
BEGIN
	SELECT * INTO v_host FROM pane.host WHERE id = p_host AND enrolled_at IS NOT NULL FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(403, 'host.unknown', 'This host is not enrolled here (any more). '
			'Enrol it again with a new token.');
	END IF;
	PERFORM pane.host_newest(v_host, p_report);
	UPDATE pane.host h SET online = true, last_sync_at = now(), sync_seq = sync_seq + 1,
		sync_due_at = now() + make_interval(secs => p_due_s),
		address = coalesce(nullif(p_report ->> 'address', ''), h.address),
		cpus = coalesce((v_cap ->> 'cpus')::integer, 0),
		memory_mib = coalesce((v_cap ->> 'memory_mib')::bigint, 0),
		memory_free_mib = coalesce((v_cap ->> 'memory_free_mib')::bigint, 0),
		disk_free_mib = coalesce((v_cap ->> 'disk_free_mib')::bigint, 0),
		kvm = coalesce(v_cap ->> 'kvm', 'none'),
		vm = coalesce((v_cap ->> 'vm')::boolean, true), vm_why = coalesce(v_cap ->> 'vm_why', ''),
		firmware = coalesce((v_cap ->> 'firmware')::boolean, false),
		suspend = coalesce((v_cap ->> 'suspend')::boolean, false),
		shadow = coalesce((v_cap ->> 'shadow')::boolean, false),
		container = coalesce((v_cap ->> 'container')::boolean, false),
		container_why = coalesce(v_cap ->> 'container_why', ''),
		limits = coalesce(v_cap ->> 'limits', ''), storage = left(coalesce(v_cap ->> 'storage', ''), 64),
		memory_available_mib = (v_cap ->> 'memory_available_mib')::bigint
		WHERE h.id = p_host RETURNING sync_seq INTO v_seq;
	IF NOT v_host.online THEN
		INSERT INTO pane.event (kind, host_id, name, from_state, to_state)
			SELECT 'host', id, name, 'lost', 'online' FROM pane.host WHERE id = p_host;
	END IF;
	RETURN v_seq;
END $$;

-- The reporting half of a sync. Answers how many reports were of desktops nobody knows, and whether
-- the report has viewers to drop: its poll is then a short one.
CREATE FUNCTION pane.host_report(p_host uuid, p_report jsonb, p_wait_s integer, p_lost_s integer)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r record; d pane.desktop; v_list jsonb := coalesce(p_report -> 'desktops', '[]');
	v_unknown integer := 0; v_seq bigint;
BEGIN
	PERFORM pane.host_versions(p_host, p_report);
	PERFORM pane.host_homes(p_host, p_report);
	v_seq := pane.host_capacity(p_host, p_report, p_wait_s + p_lost_s);
	PERFORM pane.host_images(p_host, p_report);
	IF p_report ? 'usage' THEN
		PERFORM pane.usage_put(p_host, p_report -> 'usage'), pane.report_put(p_host, p_report -> 'usage');
	END IF;
	PERFORM pane.host_recordings(p_host, p_report);
	FOR r IN SELECT (x ->> 'id')::uuid AS id, (x ->> 'epoch')::bigint AS epoch,
		x ->> 'state' AS state, coalesce(x ->> 'reason', '') AS reason, x -> 'viewers' AS viewers,
		x -> 'answers' AS answers
		FROM jsonb_array_elements(v_list) x ORDER BY (x ->> 'id')::uuid
	LOOP
		SELECT * INTO d FROM pane.desktop WHERE id = r.id FOR UPDATE;
		IF NOT FOUND THEN
			v_unknown := v_unknown + 1;
		ELSIF d.host_id IS DISTINCT FROM p_host OR r.epoch <> d.epoch OR d.state = 'deleted' THEN
			PERFORM pane.report_stale(d, r.epoch, p_host, r.state);
		ELSE
			PERFORM pane.machine_observed(d, r.state, r.reason);
			PERFORM pane.session_viewers(d.id, pane.viewers_own(d.id, r.viewers, false));
			PERFORM pane.session_idle(d, pane.viewers_own(d.id, r.viewers, true));
			PERFORM pane.shadow_answers(d.id, r.answers) WHERE r.answers IS NOT NULL;
			PERFORM pane.shadow_seen(d.id, r.viewers);
		END IF;
	END LOOP;
	PERFORM pane.report_missing(p_host, coalesce((p_report ->> 'generation')::bigint, 0), v_list);
	RETURN jsonb_build_object('unknown', v_unknown, 'seq', v_seq,
		'drop', pane.host_drops(p_host, p_report) IS NOT NULL);
END $$;

-- What a host is told of a desktop's pool; NULL = nothing in particular. From its idle_s on it reports often: that
-- is when to warn.
CREATE FUNCTION pane.pool_orders(p pane.pool) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT nullif(p.policy || CASE WHEN p.idle_s > 0 THEN jsonb_build_object('idle_s',
		p.idle_s - pane.warns_s(p, p.idle_s)) ELSE '{}' END
		|| CASE WHEN p.memory <> '{}' THEN jsonb_build_object('memory', p.memory) ELSE '{}' END
		|| CASE WHEN p.limits <> '{}' THEN jsonb_build_object('limits', p.limits) ELSE '{}' END
		|| CASE WHEN p.overcommit > 100 THEN jsonb_build_object('overcommit', p.overcommit) ELSE '{}' END, '{}')
$$;

-- Versions a host is to hold: those its desktops are made from or its pools' next ones will be,
-- as far as they can be fetched.
CREATE FUNCTION pane.host_wants(p_host uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('name', i.name, 'version', v.version)),
		'[]')
	FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
	WHERE v.origin = 'upload' AND v.state = 'ready' AND (
		EXISTS (SELECT FROM pane.desktop d WHERE d.host_id = p_host AND d.image = i.name
			AND d.image_version = v.version AND d.state NOT IN ('deleted', 'requested')
			AND d.want <> 'absent')
		OR EXISTS (SELECT FROM pane.image_tag t JOIN pane.pool p ON p.image = i.name
			AND p.image_tag = t.tag AND p.deleted_at IS NULL
			JOIN pane.desktop d ON d.pool_id = p.id AND d.host_id = p_host
			AND d.state <> 'deleted' WHERE t.version_id = v.id))
$$;

-- One line of a host's orders.
CREATE FUNCTION pane.desktop_order_line(d pane.desktop, p pane.pool) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', d.id, 'name', d.name, 'epoch', d.epoch, 'want',
		CASE WHEN d.want = 'stopped' AND d.suspend THEN 'suspended' ELSE d.want::text END,
		'image', d.image, 'version', coalesce(nullif(d.image_version, 'unversioned'), ''),
		'cpus', d.cpus, 'memory_mib', d.memory_mib, 'disk_mib', d.disk_mib, 'isolation', d.isolation,
		'reset', d.reset, 'account', d.account, 'home', CASE WHEN d.home IS NOT NULL
			THEN jsonb_build_object('key', d.home, 'mib', coalesce(p.home_mib, 0)) END)
		|| CASE WHEN d.customize IS NULL THEN '{}'
			ELSE jsonb_build_object('customize', d.customize) END
		|| CASE WHEN pane.pool_orders(p) IS NULL THEN '{}'
			ELSE jsonb_build_object('policy', pane.pool_orders(p)) END
		|| jsonb_strip_nulls(jsonb_build_object('messages', pane.messages_on(d.id)))
$$;

-- The answering half: the whole desired list, plus an explicit "absent" for reported desktops
-- whose life here is over.
CREATE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
	WITH here AS (
		SELECT d.id, pane.desktop_order_line(d, p) AS o
		FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id
		WHERE d.host_id = p_host AND d.state NOT IN ('deleted', 'requested')
	), over AS (
		SELECT d.id, jsonb_build_object('id', d.id, 'name', d.name, 'epoch', greatest(d.epoch,
			(r ->> 'epoch')::bigint), 'want', 'absent', 'image', d.image, 'cpus', d.cpus,
			'memory_mib', d.memory_mib, 'disk_mib', d.disk_mib, 'isolation', d.isolation) AS o
		FROM jsonb_array_elements(coalesce(p_report -> 'desktops', '[]')) r
		JOIN pane.desktop d ON d.id = (r ->> 'id')::uuid
		WHERE r ->> 'state' <> 'absent'
		AND (d.state IN ('deleted', 'requested') OR d.host_id IS DISTINCT FROM p_host)
	)
	SELECT jsonb_build_object(
		'generation', (SELECT generation FROM pane.host_generation WHERE host_id = p_host),
		'now', extract(epoch FROM now())::bigint,
		'desktops', coalesce((SELECT jsonb_agg(x.o || CASE WHEN v.drops ? x.id::text
				THEN jsonb_build_object('drop', v.drops -> x.id::text) ELSE '{}' END)
			FROM (SELECT * FROM here UNION ALL SELECT * FROM over) x,
			pane.host_drops(p_host, p_report) v (drops)), '[]'),
		'images', pane.host_wants(p_host), 'watch', pane.host_watched(p_host),
		'customizations', coalesce((SELECT jsonb_object_agg(c.id, c.body)
			FROM pane.customization c WHERE EXISTS (SELECT FROM pane.desktop d
			WHERE d.customize = c.id AND d.host_id = p_host AND d.state NOT IN ('deleted',
			'requested'))), '{}'),
		'drop_homes', coalesce((SELECT jsonb_agg(m.key ORDER BY m.key) FROM pane.home m
			WHERE m.state = 'deleting' AND (m.host_id = p_host OR EXISTS (SELECT
			FROM pane.host_home x WHERE x.host_id = p_host AND x.key = m.key))), '[]'))
		|| pane.host_recordings_wanted(p_host)
$$;

CREATE FUNCTION pane.host_generation_of(p_host uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT generation FROM pane.host_generation WHERE host_id = p_host
$$;

-- A poll ended: answered (the agent owes the next one within p_due_s) or its connection broke.
-- Only the newest poll speaks for the host.
CREATE FUNCTION pane.host_poll_end(p_host uuid, p_seq bigint, p_due_s integer) RETURNS void
LANGUAGE sql AS $$
	UPDATE pane.host SET sync_due_at = least(sync_due_at, now() + make_interval(secs => p_due_s))
		WHERE id = p_host AND sync_seq = p_seq
$$;
