-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Desktops and sessions as people see and change them.

CREATE FUNCTION pane.need_desktop(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.desktop WHERE name = p_name AND state <> 'deleted' FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'desktop.unknown', format('There is no desktop %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.get_desktop(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('events', (SELECT coalesce(jsonb_agg(
		to_jsonb(e)), '[]') FROM (SELECT at, kind, from_state, to_state, epoch, reason
		FROM pane.event WHERE desktop_id = x.id ORDER BY event.id DESC LIMIT 50) e)))::text
	FROM pane.desktop_view x WHERE name = p_name
$$;

CREATE FUNCTION pane.list_desktops(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.desktop_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

-- Planned for what is asked, as pane.desktop_page() is.
CREATE FUNCTION pane.find_desktops(p_after text, p_limit integer, p_pool text, p_state text, p_host text,
	p_user text, p_text text) RETURNS text LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
BEGIN
	RETURN (SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.desktop_view v WHERE v.name > p_after
		AND (p_pool = '' OR v.pool = p_pool) AND (p_state = '' OR v.state = (SELECT e FROM
			unnest(enum_range(NULL::pane.machine_state)) e WHERE e::text = p_state))
		AND (p_host = '' OR v.host = p_host) AND (p_user = '' OR v.user = p_user)
		AND (p_text = '' OR position(p_text IN v.name) > 0 OR position(p_text IN v.user) > 0)
		ORDER BY v.name LIMIT p_limit + 1) x);
END $$;

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
		WHEN d.state = 'suspended' AND d.suspend THEN 'Suspended. It goes on where it was when you connect.'
		WHEN d.state = 'suspended' THEN 'Off. It starts when you connect.'
		WHEN d.state = 'lost' THEN 'Its host does not answer: ' || d.reason
		ELSE 'It is ' || d.state || '.' END
$$;

CREATE FUNCTION pane.my_desktops(p_user uuid, p_client text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('pool', p.name,
		'desktop', d.name, 'machine', coalesce(d.state::text, 'none'),
		'session', coalesce(s.state::text, 'none'), 'message', coalesce(w.message,
		pane.desktop_message(d)))
		ORDER BY p.name), '[]'))::text
	FROM pane.entitlement e JOIN pane.pool p ON p.id = e.pool_id AND p.deleted_at IS NULL
	LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.user_id = e.user_id AND d.state <> 'deleted'
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	CROSS JOIN LATERAL pane.access_why_not(p_user, p.id, p_client) w
	WHERE e.user_id = p_user
$$;

-- Somebody's running virtual machine: its memory goes to its host's disk, its session waits.
CREATE FUNCTION pane.desktop_suspend(p_desktop uuid, p_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; v_host text; v_can boolean;
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = p_desktop;
	SELECT h.name, h.suspend INTO v_host, v_can FROM pane.host h WHERE h.id = d.host_id;
	IF d.state = 'suspended' AND d.suspend THEN
		RETURN;
	ELSIF d.isolation = 'container' THEN
		PERFORM pane.refuse(409, 'desktop.container', format('Desktop %s is a container, and a container''s programs '
			'cannot be saved: only virtual machines are suspended.', p_name));
	ELSIF d.state <> 'ready' THEN
		PERFORM pane.desktop_refused(p_name, 'suspended');
	ELSIF d.user_id IS NULL THEN
		PERFORM pane.refuse(409, 'desktop.unassigned', format('Desktop %s is assigned to nobody: it waits for '
			'whoever connects next.', p_name));
	ELSIF NOT v_can THEN
		PERFORM pane.refuse(409, 'host.suspend', format('Host %s cannot suspend desktops: its pane-host is too old.',
			v_host));
	END IF;
	PERFORM pane.machine_park(p_desktop, 'suspended by an administrator', true);
END $$;

-- Somebody's desktop: the power is cut and stays so until its user connects or it is resumed. Of what is suspended the
-- memory is given up.
CREATE FUNCTION pane.desktop_off(p_desktop uuid, p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.desktop WHERE id = p_desktop AND state = 'suspended' AND NOT suspend;
	IF FOUND OR pane.machine_forget(p_desktop, 'by an administrator') THEN
		RETURN;
	END IF;
	PERFORM FROM pane.desktop WHERE id = p_desktop AND user_id IS NULL AND state IN ('booting', 'ready');
	IF FOUND THEN
		PERFORM pane.refuse(409, 'desktop.unassigned', format('Desktop %s is assigned to nobody: it waits for '
			'whoever connects next.', p_name));
	ELSIF NOT pane.machine_park(p_desktop, 'switched off by an administrator') THEN
		PERFORM pane.desktop_refused(p_name, 'switched off');
	END IF;
END $$;

-- What is off starts, what is suspended goes on.
CREATE FUNCTION pane.desktop_resume(p_desktop uuid, p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.desktop WHERE id = p_desktop AND state IN ('booting', 'ready');
	IF FOUND OR pane.machine_resume(p_desktop, 'resumed by an administrator') THEN
		RETURN;
	END IF;
	PERFORM FROM pane.desktop WHERE id = p_desktop AND state = 'suspended';
	IF NOT FOUND OR NOT pane.machine_restart(p_desktop, 'started by an administrator') THEN
		PERFORM pane.desktop_refused(p_name, 'resumed');
	END IF;
END $$;

-- restart: power cycle, disk and user kept. off: the same without the second half. recycle: release, fresh disk, same name.
-- release: only the assignment (a used desktop is then recycled). delete: all of it.
CREATE FUNCTION pane.desktop_action(p_name text, p_action text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_desktop(p_name);
BEGIN
	IF p_action = 'restart' THEN
		IF NOT pane.machine_restart(v, 'restart asked for') THEN
			PERFORM pane.desktop_refused(p_name, 'restarted');
		END IF;
	ELSIF p_action = 'suspend' THEN
		PERFORM pane.desktop_suspend(v, p_name);
	ELSIF p_action = 'off' THEN
		PERFORM pane.desktop_off(v, p_name);
	ELSIF p_action = 'resume' THEN
		PERFORM pane.desktop_resume(v, p_name);
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

CREATE FUNCTION pane.list_sessions(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (SELECT *
		FROM pane.session_view WHERE id::text > p_after ORDER BY id LIMIT p_limit + 1) x
$$;

-- A live session, locked.
CREATE FUNCTION pane.need_session(p_id text) RETURNS pane.session LANGUAGE plpgsql AS $$
DECLARE s pane.session;
BEGIN
	SELECT * INTO s FROM pane.session WHERE id::text = p_id AND state <> 'ended' FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'session.unknown', 'There is no such live session.');
	END IF;
	RETURN s;
END $$;

CREATE FUNCTION pane.session_delete(p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.logoff((pane.need_session(p_id)).desktop_id, 'logged off by an administrator');
END $$;
