-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Who may be on a desktop, said by level: whatever a host reports of viewers is compared with who
-- may be there, and the others are ordered off ("drop" in docs/contracts.md) for as long as they
-- are seen. What makes a viewer unwelcome also moves the host's generation, so the order leaves at
-- once and not with the next report.

-- Usable as values once this is committed (021 on). In order of what they may do.
ALTER TYPE pane.role ADD VALUE 'readonly' BEFORE 'admin';
ALTER TYPE pane.role ADD VALUE 'helpdesk' BEFORE 'admin';
ALTER TYPE pane.role ADD VALUE 'operator' BEFORE 'admin';

-- A viewer without a name is taken for the desktop's user.
CREATE FUNCTION pane.may_view(d pane.desktop, p_user text) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.users u
		JOIN pane.entitlement e ON e.user_id = u.id AND e.pool_id = d.pool_id
		JOIN pane.session s ON s.desktop_id = d.id AND s.user_id = u.id
			AND s.state NOT IN ('ended', 'logging_off')
		WHERE u.id = d.user_id AND NOT u.disabled AND u.name = coalesce(p_user, u.name))
$$;

-- {"<desktop>":["<conn>",...]} of the report's viewers that may not be there; NULL when all may.
CREATE FUNCTION pane.host_drops(p_host uuid, p_report jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(x.id, x.conns) FROM (
		SELECT r ->> 'id' AS id, jsonb_agg(v -> 'conn') AS conns
		FROM jsonb_array_elements(coalesce(p_report -> 'desktops', '[]')) r
		CROSS JOIN jsonb_array_elements(CASE jsonb_typeof(r -> 'viewers') WHEN 'array'
			THEN r -> 'viewers' ELSE '[]' END) v
		LEFT JOIN pane.desktop d ON d.id = (r ->> 'id')::uuid AND d.host_id = p_host
		WHERE v ->> 'conn' <> '' AND jsonb_array_length(r -> 'viewers') > 0
		AND d.id IS NOT NULL AND NOT pane.may_view(d, v ->> 'user')
		GROUP BY 1) x
$$;

ALTER FUNCTION pane.host_desired(uuid, jsonb) RENAME TO host_desired_019;
CREATE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE o jsonb := pane.host_desired_019(p_host, p_report);
	v_drops jsonb := pane.host_drops(p_host, p_report);
BEGIN
	IF v_drops IS NULL THEN
		RETURN o;
	END IF;
	RETURN jsonb_set(o, '{desktops}', (SELECT coalesce(jsonb_agg(CASE WHEN v_drops ? (x ->> 'id')
		THEN x || jsonb_build_object('drop', v_drops -> (x ->> 'id')) ELSE x END), '[]')
		FROM jsonb_array_elements(o -> 'desktops') x));
END $$;

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

-- A disabled user is out: sessions end, floating desktops go back, dedicated ones stay as they are.
CREATE FUNCTION pane.user_out() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE d record;
BEGIN
	FOR d IN SELECT x.id, p.assignment FROM pane.desktop x JOIN pane.pool p ON p.id = x.pool_id
		WHERE x.user_id = NEW.id AND x.state <> 'deleted' ORDER BY x.id FOR UPDATE OF x
	LOOP
		IF d.assignment = 'floating' THEN
			PERFORM pane.release(d.id, 'user disabled');
		ELSE
			UPDATE pane.session SET state = 'ended', reason = 'user disabled'
				WHERE desktop_id = d.id AND state <> 'ended';
		END IF;
		PERFORM pane.viewers_changed(d.id);
	END LOOP;
	DELETE FROM pane.token WHERE user_id = NEW.id;
	DELETE FROM pane.ticket WHERE user_id = NEW.id AND used_at IS NULL;
	RETURN NULL;
END $$;
CREATE TRIGGER user_out AFTER UPDATE ON pane.users FOR EACH ROW
	WHEN (NEW.disabled AND NOT OLD.disabled) EXECUTE FUNCTION pane.user_out();
CREATE INDEX desktop_user ON pane.desktop (user_id) WHERE user_id IS NOT NULL;

-- host_sync(), and whether the report has viewers to drop: its poll is then a short one.
CREATE FUNCTION pane.host_synced(p_host uuid, p_report jsonb, p_wait_s integer, p_lost_s integer)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE o jsonb := pane.host_sync(p_host, p_report, p_wait_s, p_lost_s);
BEGIN
	RETURN o || jsonb_build_object('drop', pane.host_drops(p_host, p_report) IS NOT NULL);
END $$;
