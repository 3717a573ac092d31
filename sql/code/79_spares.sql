-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A pool's spare desktops, nobody's and never used: "spare" of them run (76_schedule.sql says how many now), and
-- "spare_suspended" more wait suspended. One that is taken is followed by a suspended one, which goes on in a moment;
-- what is missing then is made, runs until it is ready, and is suspended.

-- The next spare that waits suspended and whose host can be asked; locked. p_only: on one of these hosts, NULL = any.
CREATE FUNCTION pane.spare_waiting(p_pool uuid, p_only uuid[] DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	SELECT d.id FROM pane.desktop d JOIN pane.host h ON h.id = d.host_id AND h.online AND NOT h.maintenance
	WHERE d.pool_id = p_pool AND d.user_id IS NULL AND NOT d.dirty AND d.state = 'suspended' AND d.suspend
		AND (p_only IS NULL OR d.host_id = ANY (p_only))
	ORDER BY d.since LIMIT 1 FOR UPDATE OF d SKIP LOCKED
$$;

-- Somebody gets one of them: it goes on for them, or starts with their files where the pool has such (pane.home_attach()).
CREATE FUNCTION pane.assign_waiting(p_user uuid, p_pool uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.spare_waiting(p_pool, pane.home_hosts(p_user, p_pool));
BEGIN
	IF v IS NOT NULL THEN
		INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name)
			SELECT v, p_pool, u.id, u.name FROM pane.users u WHERE u.id = p_user;
		PERFORM pane.machine_resume(v, 'its user comes');
	END IF;
	RETURN v;
END $$;

-- Those that are ready and too many to run are suspended, until p_n are; how many. What its host could not suspend once
-- is not tried again.
CREATE FUNCTION pane.spares_put(p pane.pool, p_n integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; n integer := 0;
BEGIN
	FOR d IN SELECT x.id FROM pane.desktop x JOIN pane.host h ON h.id = x.host_id AND h.online AND h.suspend AND NOT h.maintenance
		WHERE x.pool_id = p.id AND x.user_id IS NULL AND NOT x.dirty AND x.state = 'ready' AND x.want = 'running'
		AND x.reason NOT LIKE 'cannot be suspended%' ORDER BY x.since DESC
		LIMIT greatest(0, least(p_n, (SELECT count(*) FROM pane.desktop y WHERE y.pool_id = p.id AND y.state = 'ready'
			AND y.user_id IS NULL AND NOT y.dirty) - p.spare))
		FOR UPDATE OF x SKIP LOCKED
	LOOP
		n := n + pane.machine_park(d.id, 'suspended: a spare for later', true)::integer;
	END LOOP;
	RETURN n;
END $$;

-- Idle surplus goes, the newest first; so does what waits switched off, as it could not be suspended.
CREATE FUNCTION pane.spares_less(p pane.pool, p_running integer, p_waiting integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; n integer := 0;
BEGIN
	FOR d IN SELECT x.id FROM pane.desktop x WHERE x.pool_id = p.id AND x.user_id IS NULL
		AND NOT x.dirty AND x.state IN ('requested', 'ready')
		AND (x.state = 'requested' OR x.since < now() - interval '5 minutes')
		ORDER BY x.state, x.since DESC LIMIT greatest(0, p_running) FOR UPDATE SKIP LOCKED
	LOOP
		n := n + pane.machine_remove(d.id, 'deleting', 'surplus')::integer;
	END LOOP;
	FOR d IN SELECT x.id FROM pane.desktop x WHERE x.pool_id = p.id AND x.user_id IS NULL AND NOT x.dirty
		AND x.state = 'suspended' AND NOT x.suspend FOR UPDATE SKIP LOCKED
	LOOP
		n := n + pane.machine_remove(d.id, 'deleting', 'could not be suspended')::integer;
	END LOOP;
	FOR d IN SELECT x.id FROM pane.desktop x WHERE x.pool_id = p.id AND x.user_id IS NULL AND NOT x.dirty
		AND x.state = 'suspended' AND x.suspend ORDER BY x.since DESC LIMIT greatest(0, p_waiting) FOR UPDATE SKIP LOCKED
	LOOP
		n := n + pane.machine_remove(d.id, 'deleting', 'surplus')::integer;
	END LOOP;
	RETURN n;
END $$;

-- Brings a pool's spares to what they should be; how many it touched, and why none could be made.
CREATE FUNCTION pane.spares_settle(p pane.pool, OUT n integer, OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_running integer; v_waiting integer; v_id uuid;
BEGIN
	n := 0;
	reasons := '{}';
	SELECT count(*) FILTER (WHERE x.state <> 'suspended'), count(*) FILTER (WHERE x.state = 'suspended' AND x.suspend)
		INTO v_running, v_waiting FROM pane.desktop x WHERE x.pool_id = p.id AND x.user_id IS NULL
		AND x.state NOT IN ('deleted', 'deleting', 'lost');
	WHILE v_running < p.spare AND v_waiting > 0 LOOP
		v_id := pane.spare_waiting(p.id);
		EXIT WHEN v_id IS NULL OR NOT pane.machine_resume(v_id, 'the next spare');
		v_running := v_running + 1;
		v_waiting := v_waiting - 1;
		n := n + 1;
	END LOOP;
	WHILE v_running < p.spare + greatest(0, p.spare_suspended - v_waiting) AND pane.pool_size(p.id) < p.size_max LOOP
		SELECT c.desktop, c.reasons INTO v_id, reasons FROM pane.desktop_create(p.id) c;
		EXIT WHEN v_id IS NULL;
		v_running := v_running + 1;
		n := n + 1;
		EXIT WHEN n >= 50 OR pane.pass_over();
	END LOOP;
	n := n + pane.spares_put(p, p.spare_suspended - v_waiting)
		+ pane.spares_less(p, v_running - p.spare - greatest(0, p.spare_suspended - v_waiting), v_waiting - p.spare_suspended);
	reasons := coalesce(reasons, '{}');
END $$;
