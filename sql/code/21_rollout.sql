-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Rollouts: bringing a pool's existing desktops to another version, so many at a time, when nobody is in
-- them.

CREATE FUNCTION pane.rollout_json(p_pool uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('version', r.version, 'state', r.state, 'reason', r.reason,
		'canary', r.canary, 'parallel', r.parallel, 'continue_on_error', r.continue_on_error,
		'force_at', r.force_at, 'created_by', r.created_by, 'created_at', r.created_at,
		'ended_at', r.ended_at,
		'total', count(x.*), 'done', count(x.*) FILTER (WHERE x.state = 'done'),
		'failed', count(x.*) FILTER (WHERE x.state = 'failed'),
		'percent', CASE WHEN count(x.*) = 0 THEN 100 ELSE 100 * count(x.*) FILTER
			(WHERE x.state = 'done') / count(x.*) END,
		'desktops', coalesce(jsonb_agg(jsonb_build_object('desktop', x.name, 'state', x.state,
			'reason', x.reason, 'since', x.since) ORDER BY x.name)
			FILTER (WHERE x.name IS NOT NULL), '[]'))
	FROM pane.rollout r LEFT JOIN pane.rollout_desktop x ON x.rollout_id = r.id
	WHERE r.id = (SELECT max(id) FROM pane.rollout WHERE pool_id = p_pool) GROUP BY r.id
$$;

CREATE FUNCTION pane.get_rollout(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.rollout_json(p.id)::text FROM pane.pool p
	WHERE p.name = p_name AND p.deleted_at IS NULL
$$;

-- What must hold before desktops of a pool may be taken to a version.
CREATE FUNCTION pane.rollout_check(p pane.pool, p_version text, p_force boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF p_version IS NULL THEN
		PERFORM pane.refuse(409, 'rollout.version', format('Image %s has no version tagged %s: '
			'publish one first.', p.image, p.image_tag));
	END IF;
	PERFORM FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
		WHERE i.name = p.image AND v.version = p_version AND v.state = 'ready';
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'rollout.version', format('Image %s has no ready version %s.',
			p.image, p_version));
	END IF;
	PERFORM FROM pane.rollout WHERE pool_id = p.id AND state IN ('running', 'paused');
	IF FOUND THEN
		PERFORM pane.refuse(409, 'rollout.running', format('Pool %s is being updated already. '
			'Stop that first.', p.name));
	END IF;
	IF p.assignment = 'dedicated' AND NOT pane.keeps_home(p) AND NOT p_force THEN
		PERFORM pane.refuse(409, 'rollout.disks', format('Desktops of pool %s are kept by their '
			'users and have no home disk of their own: an update erases what is on them. '
			'Force it to do so.', p.name));
	END IF;
END $$;

CREATE FUNCTION pane.rollout_start(p_name text, o jsonb, p_by text, p_force boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE p pane.pool; v_pool uuid := pane.need_pool(p_name); v_id bigint; v_target text; v_tagged text;
BEGIN
	SELECT * INTO p FROM pane.pool WHERE id = v_pool;
	v_tagged := pane.pool_version(v_pool);
	v_target := coalesce(o ->> 'version', v_tagged);
	PERFORM pane.rollout_check(p, v_target, p_force);
	INSERT INTO pane.rollout (pool_id, version, pinned, canary, parallel, continue_on_error,
		force_at, created_by) VALUES (v_pool, v_target, v_target IS DISTINCT FROM v_tagged,
		(o ->> 'canary')::integer, coalesce((o ->> 'parallel')::integer, 2),
		coalesce((o ->> 'continue_on_error')::boolean, false),
		(o ->> 'force_at')::timestamptz, p_by) RETURNING id INTO v_id;
	INSERT INTO pane.rollout_desktop (rollout_id, desktop_id, name)
		SELECT v_id, d.id, d.name FROM pane.desktop d WHERE d.pool_id = v_pool
		AND d.state NOT IN ('deleted', 'deleting', 'requested') AND d.image_version <> v_target
		ORDER BY d.user_id IS NOT NULL, d.name LIMIT (o ->> 'canary')::integer;
	IF v_target IS NOT DISTINCT FROM v_tagged AND o ->> 'canary' IS NULL THEN
		UPDATE pane.desktop SET pin_version = '' WHERE pool_id = v_pool AND pin_version <> '';
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_rollout(p_name);
END $$;

-- p_to: paused, running (again, failed desktops too) or stopped.
CREATE FUNCTION pane.rollout_change(p_name text, p_to text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_name); r pane.rollout;
BEGIN
	SELECT * INTO r FROM pane.rollout WHERE id = (SELECT max(id) FROM pane.rollout
		WHERE pool_id = v_pool) FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'rollout.unknown', format('Pool %s is not being updated.',
			p_name));
	END IF;
	IF (p_to = 'paused' AND r.state <> 'running') OR r.state IN ('done', 'stopped')
		OR (p_to = 'running' AND r.state NOT IN ('paused', 'failed')) THEN
		PERFORM pane.refuse(409, 'rollout.state', format('The update of pool %s is %s.', p_name,
			r.state));
	END IF;
	UPDATE pane.rollout SET state = p_to::pane.rollout_state, reason = '',
		ended_at = CASE WHEN p_to = 'stopped' THEN now() END WHERE id = r.id;
	IF p_to = 'running' THEN
		UPDATE pane.rollout_desktop SET state = 'waiting', reason = '', since = now()
			WHERE rollout_id = r.id AND state = 'failed';
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_rollout(p_name);
END $$;

-- How one desktop of a rollout stands.
CREATE FUNCTION pane.rollout_look(r pane.rollout, x pane.rollout_desktop) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; v_to pane.rollout_step; v_reason text := '';
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = x.desktop_id;
	IF NOT FOUND OR d.state IN ('deleted', 'deleting') OR d.pool_id IS DISTINCT FROM r.pool_id THEN
		v_to := 'done';
		v_reason := 'deleted meanwhile';
	ELSIF d.image_version = r.version AND d.state = 'ready' THEN
		v_to := 'done';
	ELSIF x.state = 'updating' AND d.state = 'failed' THEN
		v_to := 'failed';
		v_reason := d.reason;
	ELSIF x.state = 'updating' AND x.since < now() - interval '15 minutes' THEN
		v_to := 'failed';
		v_reason := format('not ready after 15 minutes, it is %s: %s', d.state, d.reason);
	ELSIF d.image_version = r.version AND d.state IN ('cloning', 'booting') THEN
		v_to := 'updating';
	END IF;
	IF v_to IS NULL OR v_to = x.state THEN
		RETURN 0;
	END IF;
	UPDATE pane.rollout_desktop SET state = v_to, reason = v_reason, since = now()
		WHERE rollout_id = x.rollout_id AND desktop_id = x.desktop_id;
	RETURN 1;
END $$;

-- Takes one desktop down to come back with the new version, if that may be now.
CREATE FUNCTION pane.rollout_take(r pane.rollout, p_desktop uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; v_kind pane.assignment_kind; v_forced boolean := r.force_at <= now();
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = p_desktop
		AND state IN ('cloning', 'booting', 'ready', 'suspended', 'failed')
		FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF d.user_id IS NOT NULL AND v_forced IS NOT TRUE THEN
		PERFORM FROM pane.session WHERE desktop_id = d.id AND state <> 'ended';
		IF FOUND THEN
			RETURN false; -- until the user logs off
		END IF;
		PERFORM FROM pane.assignment WHERE desktop_id = d.id AND released_at IS NULL
			AND created_at > now() - interval '1 minute';
		IF FOUND THEN
			RETURN false; -- on their way in
		END IF;
	END IF;
	SELECT assignment INTO v_kind FROM pane.pool WHERE id = d.pool_id;
	UPDATE pane.desktop SET pin_version = CASE WHEN r.pinned THEN r.version ELSE '' END
		WHERE id = d.id;
	IF v_kind = 'floating' AND d.user_id IS NOT NULL THEN
		PERFORM pane.release(d.id, 'image update');
	ELSE
		UPDATE pane.session SET state = 'ended', reason = 'image update'
			WHERE desktop_id = d.id AND state <> 'ended';
	END IF;
	PERFORM FROM pane.desktop WHERE id = d.id AND state = 'recycling';
	RETURN FOUND OR pane.machine_remove(d.id, 'recycling', 'image update to ' || r.version);
END $$;

CREATE FUNCTION pane.rollout_advance(r pane.rollout) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE x pane.rollout_desktop; n integer := 0; v_busy integer; v_failed record;
BEGIN
	FOR x IN SELECT * FROM pane.rollout_desktop WHERE rollout_id = r.id
		AND state IN ('waiting', 'updating') ORDER BY name
	LOOP
		n := n + pane.rollout_look(r, x);
	END LOOP;
	SELECT count(*) AS n, min(name || ': ' || reason) AS first INTO v_failed
		FROM pane.rollout_desktop WHERE rollout_id = r.id AND state = 'failed';
	IF v_failed.n > 0 AND NOT r.continue_on_error THEN
		UPDATE pane.rollout SET state = 'failed', reason = v_failed.first, ended_at = now()
			WHERE id = r.id;
		RETURN n + 1;
	END IF;
	SELECT count(*) INTO v_busy FROM pane.rollout_desktop WHERE rollout_id = r.id
		AND state = 'updating';
	FOR x IN SELECT * FROM pane.rollout_desktop WHERE rollout_id = r.id AND state = 'waiting'
		ORDER BY name
	LOOP
		EXIT WHEN v_busy >= r.parallel;
		IF pane.rollout_take(r, x.desktop_id) THEN
			UPDATE pane.rollout_desktop SET state = 'updating', since = now()
				WHERE rollout_id = r.id AND desktop_id = x.desktop_id;
			v_busy := v_busy + 1;
			n := n + 1;
		END IF;
	END LOOP;
	PERFORM FROM pane.rollout_desktop WHERE rollout_id = r.id AND state IN ('waiting', 'updating');
	IF NOT FOUND THEN
		UPDATE pane.rollout SET state = 'done', ended_at = now(), reason = CASE WHEN
			v_failed.n > 0 THEN format('%s failed, first %s', v_failed.n, v_failed.first)
			ELSE '' END WHERE id = r.id;
		n := n + 1;
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION pane.rec_rollouts() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r pane.rollout; n integer := 0;
BEGIN
	FOR r IN SELECT * FROM pane.rollout WHERE state = 'running' ORDER BY id FOR UPDATE SKIP LOCKED
	LOOP
		n := n + pane.rollout_advance(r);
	END LOOP;
	RETURN n;
END $$;
