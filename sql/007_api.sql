-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What the REST API shows and does. Lists are built here as JSON text; p_after is the last name
-- of the page before ('' = from the start), and "next" is there when more follow.

CREATE FUNCTION pane.page(p_rows jsonb, p_key text, p_limit integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_array_length(p_rows) > p_limit
		THEN jsonb_build_object('items', p_rows - p_limit,
			'next', p_rows -> (p_limit - 1) ->> p_key)
		ELSE jsonb_build_object('items', p_rows) END::text
$$;

CREATE FUNCTION pane.seconds_since(t timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT extract(epoch FROM clock_timestamp() - t)::bigint
$$;

CREATE VIEW pane.user_view AS
	SELECT u.name, u.role, u.disabled, u.created_at, u.last_login_at,
		coalesce((SELECT jsonb_agg(p.name ORDER BY p.name) FROM pane.entitlement e
			JOIN pane.pool p ON p.id = e.pool_id AND p.deleted_at IS NULL
			WHERE e.user_id = u.id), '[]') AS pools
	FROM pane.users u;

CREATE VIEW pane.pool_view AS
	SELECT p.name, p.image, p.cpus, p.memory_mib, p.disk_mib, p.size_max, p.spare, p.assignment,
		p.isolation, p.logoff_after_s, to_jsonb(p.blocked) AS blocked,
		count(d.*) AS desktops,
		count(d.*) FILTER (WHERE d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) AS ready,
		count(d.user_id) AS assigned,
		count(d.*) FILTER (WHERE d.state = 'failed') AS failed
	FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state <> 'deleted'
	WHERE p.deleted_at IS NULL GROUP BY p.id;

CREATE VIEW pane.desktop_view AS
	SELECT d.name, d.id, p.name AS pool, d.state, d.reason, d.want, d.epoch, h.name AS host,
		u.name AS user, d.dirty, d.image, d.cpus, d.memory_mib, d.retries, d.retry_at,
		d.since, pane.seconds_since(d.since) AS since_s, coalesce(s.state, 'none') AS session
	FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id
	LEFT JOIN pane.host h ON h.id = d.host_id LEFT JOIN pane.users u ON u.id = d.user_id
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	WHERE d.state <> 'deleted';

CREATE VIEW pane.session_view AS
	SELECT s.id, d.name AS desktop, s.user_name AS user, s.state, s.reason, s.protocol, s.client,
		s.conn, s.viewers, s.since, pane.seconds_since(s.since) AS since_s, s.created_at
	FROM pane.session s JOIN pane.desktop d ON d.id = s.desktop_id WHERE s.state <> 'ended';

CREATE VIEW pane.host_view AS
	SELECT h.name, h.id, CASE WHEN h.enrolled_at IS NULL THEN 'created' WHEN h.online THEN 'online'
		WHEN h.last_sync_at IS NULL THEN 'enrolled' ELSE 'lost' END AS state,
		h.address, h.cpus, h.memory_mib, h.memory_free_mib, h.disk_free_mib, h.kvm,
		h.maintenance, h.last_sync_at, pane.seconds_since(h.last_sync_at) AS last_sync_s,
		coalesce((SELECT jsonb_agg(i.name ORDER BY i.name) FROM pane.host_image i
			WHERE i.host_id = h.id), '[]') AS images,
		(SELECT count(*) FROM pane.desktop d WHERE d.host_id = h.id AND d.state <> 'deleted')
			AS desktops
	FROM pane.host h;

CREATE FUNCTION pane.list_users(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.user_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_pools(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.pool_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_desktops(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.desktop_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_sessions(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (SELECT *
		FROM pane.session_view WHERE id::text > p_after ORDER BY id LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_hosts(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.host_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_images(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (
		SELECT i.name, jsonb_agg(jsonb_build_object('host', h.name, 'version', i.version,
			'disk_mib', i.disk_mib, 'online', h.online) ORDER BY h.name) AS hosts
		FROM pane.host_image i JOIN pane.host h ON h.id = i.host_id WHERE i.name > p_after
		GROUP BY i.name ORDER BY i.name LIMIT p_limit + 1) x
$$;
-- Newest first; p_after is the id of the oldest entry seen.
CREATE FUNCTION pane.list_audit(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (
		SELECT id::text AS id, at, conn, actor, action, object, outcome, detail, client
		FROM pane.audit WHERE p_after = '' OR id < (CASE WHEN p_after ~ '^[0-9]{1,18}$'
			THEN p_after ELSE '0' END)::bigint
		ORDER BY audit.id DESC LIMIT p_limit + 1) x
$$;
CREATE FUNCTION pane.list_entitlements(p_pool text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('user', u.name)
		ORDER BY u.name), '[]'))::text
	FROM pane.entitlement e JOIN pane.users u ON u.id = e.user_id
	JOIN pane.pool p ON p.id = e.pool_id WHERE p.name = p_pool AND p.deleted_at IS NULL
$$;

CREATE FUNCTION pane.get_user(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT to_jsonb(x)::text FROM pane.user_view x WHERE name = p_name $$;
CREATE FUNCTION pane.get_pool(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT to_jsonb(x)::text FROM pane.pool_view x WHERE name = p_name $$;
CREATE FUNCTION pane.get_host(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT to_jsonb(x)::text FROM pane.host_view x WHERE name = p_name $$;
CREATE FUNCTION pane.get_desktop(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('events', (SELECT coalesce(jsonb_agg(
		to_jsonb(e)), '[]') FROM (SELECT at, kind, from_state, to_state, epoch, reason
		FROM pane.event WHERE desktop_id = x.id ORDER BY event.id DESC LIMIT 50) e)))::text
	FROM pane.desktop_view x WHERE name = p_name
$$;

-- The one place that says what a person may read about their desktop.
CREATE FUNCTION pane.desktop_message(d pane.desktop) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN d.id IS NULL THEN 'No desktop yet; one is given at the first connection.'
		WHEN d.state = 'ready' THEN 'Ready.'
		WHEN d.state = 'requested' THEN 'Waiting for a host'
			|| CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '.' END
		WHEN d.state IN ('cloning', 'booting') THEN 'Starting'
			|| CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '.' END
		WHEN d.state = 'failed' THEN 'Failed: ' || d.reason
			|| CASE WHEN d.retry_at IS NOT NULL THEN '; tried again soon.'
			ELSE '; an administrator must look at it.' END
		WHEN d.state = 'lost' THEN 'Its host does not answer: ' || d.reason
		ELSE 'It is ' || d.state || '.' END
$$;

CREATE FUNCTION pane.my_desktops(p_user uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('pool', p.name,
		'desktop', d.name, 'machine', coalesce(d.state::text, 'none'),
		'session', coalesce(s.state::text, 'none'), 'message', pane.desktop_message(d))
		ORDER BY p.name), '[]'))::text
	FROM pane.entitlement e JOIN pane.pool p ON p.id = e.pool_id AND p.deleted_at IS NULL
	LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.user_id = e.user_id AND d.state <> 'deleted'
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	WHERE e.user_id = p_user
$$;

CREATE FUNCTION pane.need_user(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.users WHERE name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'user.unknown', format('There is no user %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.need_pool(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.pool WHERE name = p_name AND deleted_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'pool.unknown', format('There is no pool %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.need_desktop(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.desktop WHERE name = p_name AND state <> 'deleted' FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'desktop.unknown', format('There is no desktop %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.user_create(p_name text, p_password text, p_role text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.users (name, password, role) VALUES (p_name, p_password, p_role::pane.role)
		ON CONFLICT (name) DO NOTHING;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'user.exists', format('There is a user %s already.', p_name));
	END IF;
	RETURN pane.get_user(p_name);
END $$;

-- Creates an administrator, or makes the existing user one with this password: the way back in.
CREATE FUNCTION pane.admin_reset(p_name text, p_password text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.users (name, password, role) VALUES (p_name, p_password, 'admin')
		ON CONFLICT (name) DO UPDATE SET password = p_password, role = 'admin',
			disabled = false;
	DELETE FROM pane.token t USING pane.users u WHERE u.id = t.user_id AND u.name = p_name;
	INSERT INTO pane.audit (actor, action, object, outcome)
		VALUES ('console', 'admin.reset', p_name, 'ok');
END $$;

CREATE FUNCTION pane.last_admin_check() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.users WHERE role = 'admin' AND NOT disabled;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'user.last_admin', 'This is the last enabled administrator. '
			'Make another one first.');
	END IF;
END $$;

-- NULL leaves a field alone. A new password or a disabled account ends its tokens.
CREATE FUNCTION pane.user_update(p_name text, p_password text, p_role text, p_disabled boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name);
BEGIN
	PERFORM pg_advisory_xact_lock(1885433447, 1); -- two admins cannot demote each other at once
	UPDATE pane.users SET password = coalesce(p_password, password),
		role = coalesce(p_role::pane.role, role), disabled = coalesce(p_disabled, disabled)
		WHERE id = v;
	PERFORM pane.last_admin_check();
	IF p_password IS NOT NULL OR p_disabled THEN
		DELETE FROM pane.token WHERE user_id = v;
		DELETE FROM pane.ticket WHERE user_id = v AND used_at IS NULL;
	END IF;
	RETURN pane.get_user(p_name);
END $$;

CREATE FUNCTION pane.user_delete(p_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name); d record;
BEGIN
	PERFORM pg_advisory_xact_lock(1885433447, 1);
	FOR d IN SELECT desktop_id FROM pane.assignment WHERE user_id = v AND released_at IS NULL
		ORDER BY desktop_id
	LOOP
		PERFORM pane.release(d.desktop_id, 'user deleted');
	END LOOP;
	DELETE FROM pane.users WHERE id = v;
	PERFORM pane.last_admin_check();
END $$;

CREATE FUNCTION pane.pool_create(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.pool (name, image, cpus, memory_mib, disk_mib, size_max, spare, assignment,
		isolation, logoff_after_s)
		VALUES (p ->> 'name', p ->> 'image', (p ->> 'cpus')::integer,
			(p ->> 'memory_mib')::integer, coalesce((p ->> 'disk_mib')::integer, 0),
			(p ->> 'size_max')::integer, (p ->> 'spare')::integer,
			(p ->> 'assignment')::pane.assignment_kind,
			coalesce(p ->> 'isolation', 'vm')::pane.isolation,
			coalesce((p ->> 'logoff_after_s')::integer, 3600))
		ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'pool.exists', format('There is a pool %s already.',
			p ->> 'name'));
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_pool(p ->> 'name');
END $$;

CREATE FUNCTION pane.pool_update(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_pool(p_name);
BEGIN
	UPDATE pane.pool SET image = coalesce(p ->> 'image', image),
		cpus = coalesce((p ->> 'cpus')::integer, cpus),
		memory_mib = coalesce((p ->> 'memory_mib')::integer, memory_mib),
		disk_mib = coalesce((p ->> 'disk_mib')::integer, disk_mib),
		size_max = coalesce((p ->> 'size_max')::integer, size_max),
		spare = coalesce((p ->> 'spare')::integer, spare),
		logoff_after_s = coalesce((p ->> 'logoff_after_s')::integer, logoff_after_s)
		WHERE id = v;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_pool(p_name);
EXCEPTION WHEN check_violation THEN
	PERFORM pane.refuse(400, 'request.invalid', 'spare cannot be more than size_max.');
	RETURN NULL;
END $$;

CREATE FUNCTION pane.pool_delete(p_name text, p_force boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_pool(p_name); v_reasons text[]; d record;
BEGIN
	SELECT array_agg(format('desktop %s is assigned to %s', d2.name, u.name) ORDER BY d2.name)
		INTO v_reasons FROM pane.desktop d2 JOIN pane.users u ON u.id = d2.user_id
		WHERE d2.pool_id = v AND d2.state <> 'deleted';
	IF v_reasons IS NOT NULL AND NOT p_force THEN
		PERFORM pane.refuse(409, 'pool.busy', format('Pool %s has assigned desktops. Release '
			'them first, or force it: their disks are then deleted.', p_name), v_reasons);
	END IF;
	UPDATE pane.pool SET deleted_at = now() WHERE id = v;
	FOR d IN SELECT id FROM pane.desktop WHERE pool_id = v AND state NOT IN ('deleted', 'deleting')
		ORDER BY id FOR UPDATE
	LOOP
		PERFORM pane.release(d.id, 'pool deleted');
		PERFORM pane.machine_remove(d.id, 'deleting', 'pool deleted');
	END LOOP;
END $$;

CREATE FUNCTION pane.entitle(p_pool text, p_user text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool); v_user uuid := pane.need_user(p_user);
BEGIN
	INSERT INTO pane.entitlement (pool_id, user_id) VALUES (v_pool, v_user)
		ON CONFLICT DO NOTHING;
	RETURN jsonb_build_object('pool', p_pool, 'user', p_user)::text;
END $$;

CREATE FUNCTION pane.disentitle(p_pool text, p_user text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool); v_user uuid := pane.need_user(p_user); d record;
BEGIN
	DELETE FROM pane.entitlement WHERE pool_id = v_pool AND user_id = v_user;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'entitlement.unknown', format('User %s is not entitled to '
			'pool %s.', p_user, p_pool));
	END IF;
	FOR d IN SELECT desktop_id FROM pane.assignment WHERE user_id = v_user AND pool_id = v_pool
		AND released_at IS NULL
	LOOP
		PERFORM pane.release(d.desktop_id, 'entitlement withdrawn');
	END LOOP;
END $$;

CREATE FUNCTION pane.desktop_refused(p_name text, p_verb text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d pane.desktop;
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE name = p_name AND state <> 'deleted';
	PERFORM pane.refuse(409, 'desktop.state', format('Desktop %s is %s and cannot be %s now.%s',
		p_name, d.state, p_verb, CASE WHEN d.state = 'lost'
		THEN ' Bring its host back or delete the host.' ELSE '' END));
END $$;

-- restart: power cycle, disk and user kept. recycle: release, fresh disk, same name.
-- release: only the assignment (a used desktop is then recycled). delete: all of it.
CREATE FUNCTION pane.desktop_action(p_name text, p_action text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_desktop(p_name);
BEGIN
	IF p_action = 'restart' THEN
		IF NOT pane.machine_restart(v, 'restart asked for') THEN
			PERFORM pane.desktop_refused(p_name, 'restarted');
		END IF;
	ELSIF p_action = 'release' THEN
		IF NOT pane.release(v, 'released by an administrator') THEN
			PERFORM pane.refuse(409, 'desktop.unassigned',
				format('Desktop %s is assigned to nobody.', p_name));
		END IF;
	ELSIF p_action IN ('recycle', 'delete') THEN
		PERFORM pane.release(v, p_action || 'd by an administrator');
		PERFORM FROM pane.desktop WHERE id = v
			AND state::text = CASE p_action WHEN 'recycle' THEN 'recycling' ELSE 'deleting' END;
		IF NOT FOUND AND NOT pane.machine_remove(v, CASE p_action WHEN 'recycle' THEN 'recycling'
			ELSE 'deleting' END::pane.machine_state, p_action || 'd by an administrator') THEN
			PERFORM pane.desktop_refused(p_name, p_action || 'd');
		END IF;
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN coalesce(pane.get_desktop(p_name), '{}');
END $$;

-- Logs a session off: floating desktops are released and recycled, dedicated ones restarted.
CREATE FUNCTION pane.session_delete(p_id text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE s pane.session; v_kind pane.assignment_kind;
BEGIN
	SELECT * INTO s FROM pane.session WHERE id::text = p_id AND state <> 'ended' FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'session.unknown', 'There is no such live session.');
	END IF;
	SELECT p.assignment INTO v_kind FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id
		WHERE d.id = s.desktop_id;
	IF v_kind = 'dedicated' THEN
		UPDATE pane.session SET state = 'ended', reason = 'logged off by an administrator'
			WHERE id = s.id;
		PERFORM pane.machine_restart(s.desktop_id, 'logged off by an administrator');
	ELSE
		PERFORM pane.release(s.desktop_id, 'logged off by an administrator');
	END IF;
END $$;
