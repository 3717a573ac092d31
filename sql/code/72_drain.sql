-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Draining a host: it gets no new desktop, its spare ones move, one of a pool at a time and only where another
-- host takes it; the others stay as long as they are somebody's. A drained host with no desktop left can be
-- switched off.

CREATE FUNCTION pane.host_drain(p_name text, p_drain boolean, p_reason text, p_by text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.host SET maintenance = p_drain, drain_reason = CASE WHEN p_drain THEN p_reason ELSE '' END,
		drained_by = CASE WHEN p_drain THEN p_by ELSE '' END,
		drained_at = CASE WHEN p_drain THEN CASE WHEN maintenance THEN drained_at ELSE now() END END
		WHERE name = p_name;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'host.unknown', format('There is no host %s.', p_name));
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_host(p_name);
END $$;

-- The next spare of each pool that leaves a drained host. While one of the pool is on its way the next one
-- stays: people find a warm desktop as long as there is one.
CREATE FUNCTION pane.rec_drain() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; n integer := 0; v_host uuid;
BEGIN
	FOR d IN SELECT DISTINCT ON (x.pool_id) x.id, x.pool_id, h.name AS host FROM pane.desktop x
		JOIN pane.host h ON h.id = x.host_id AND h.maintenance AND h.online
		JOIN pane.pool p ON p.id = x.pool_id AND p.deleted_at IS NULL
		WHERE x.user_id IS NULL AND x.want = 'running' AND x.state IN ('cloning', 'booting', 'ready', 'failed')
		AND NOT EXISTS (SELECT FROM pane.desktop o JOIN pane.host oh ON oh.id = o.host_id
			WHERE o.pool_id = x.pool_id AND o.user_id IS NULL AND o.id <> x.id
			AND (o.state = 'recycling' OR (o.state IN ('cloning', 'booting') AND NOT oh.maintenance)))
		ORDER BY x.pool_id, x.state, x.since
	LOOP
		SELECT host INTO v_host FROM pane.place_host(d.pool_id);
		CONTINUE WHEN v_host IS NULL; -- nowhere to go: it stays, and the host says so
		PERFORM FROM pane.desktop WHERE id = d.id AND user_id IS NULL AND want = 'running' FOR UPDATE SKIP LOCKED;
		CONTINUE WHEN NOT FOUND;
		IF pane.machine_remove(d.id, 'recycling', format('host %s is drained', d.host)) THEN
			n := n + 1;
		END IF;
	END LOOP;
	RETURN n;
END $$;
