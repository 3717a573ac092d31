-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What desktops and hosts used, as agents report it, and as charts show it (019_usage.sql).

CREATE FUNCTION pane.usage_rings() RETURNS TABLE (step smallint, slots integer) LANGUAGE sql IMMUTABLE AS
	$$ VALUES (1::smallint, 60), (10::smallint, 144) $$;

-- One more sample in a mean; same: of the same time as what is there.
CREATE FUNCTION pane.usage_mean(p_mean real, p_n integer, p_new real, p_same boolean) RETURNS real LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN p_same AND p_mean IS NOT NULL AND p_new IS NOT NULL THEN p_mean + (p_new - p_mean) / (p_n + 1)
		ELSE coalesce(p_new, CASE WHEN p_same THEN p_mean END) END
$$;

-- The "usage" of a report. Of desktops that are not this host's nothing is taken.
CREATE FUNCTION pane.usage_put(p_host uuid, p_usage jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_minute bigint := floor(extract(epoch FROM now() - make_interval(secs => (p_usage ->> 'ago_s')::integer)) / 60);
	n integer;
BEGIN
	WITH said AS (SELECT d.id, (x ->> 1)::real AS cpu, (x ->> 2)::real AS overhead, (x ->> 3)::real AS display,
			(x ->> 4)::real AS memory, (x ->> 5)::real AS display_memory, (x ->> 6)::real AS disk_read,
			(x ->> 7)::real AS disk_written, (x ->> 8)::real AS net_in, (x ->> 9)::real AS net_out,
			(x ->> 10)::real AS io
		FROM jsonb_array_elements(p_usage -> 'desktops') x JOIN pane.desktop d ON d.id = (x ->> 0)::uuid
			AND d.host_id = p_host AND d.state <> 'deleted'
		UNION ALL SELECT p_host, (p_usage -> 'host' ->> 0)::real, NULL, NULL, (p_usage -> 'host' ->> 1)::real, NULL,
			NULL, NULL, NULL, NULL, NULL)
	INSERT INTO pane.usage AS u (of, step, slot, at, n, cpu, overhead, display, memory, display_memory, disk_read,
			disk_written, net_in, net_out, io)
		SELECT DISTINCT ON (s.id, r.step) s.id, r.step, v_minute / r.step % r.slots,
			to_timestamp(v_minute / r.step * r.step * 60), 1, s.cpu, s.overhead, s.display, s.memory,
			s.display_memory, s.disk_read, s.disk_written, s.net_in, s.net_out, s.io
		FROM said s, pane.usage_rings() r ORDER BY s.id, r.step
		ON CONFLICT (of, step, slot) DO UPDATE SET at = excluded.at,
			n = CASE WHEN u.at = excluded.at THEN u.n + 1 ELSE 1 END,
			cpu = pane.usage_mean(u.cpu, u.n, excluded.cpu, u.at = excluded.at),
			overhead = pane.usage_mean(u.overhead, u.n, excluded.overhead, u.at = excluded.at),
			display = pane.usage_mean(u.display, u.n, excluded.display, u.at = excluded.at),
			memory = pane.usage_mean(u.memory, u.n, excluded.memory, u.at = excluded.at),
			display_memory = pane.usage_mean(u.display_memory, u.n, excluded.display_memory, u.at = excluded.at),
			disk_read = pane.usage_mean(u.disk_read, u.n, excluded.disk_read, u.at = excluded.at),
			disk_written = pane.usage_mean(u.disk_written, u.n, excluded.disk_written, u.at = excluded.at),
			net_in = pane.usage_mean(u.net_in, u.n, excluded.net_in, u.at = excluded.at),
			net_out = pane.usage_mean(u.net_out, u.n, excluded.net_out, u.at = excluded.at),
			io = pane.usage_mean(u.io, u.n, excluded.io, u.at = excluded.at);
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- Oldest first. What was not reported is not there: a line has gaps where a desktop was off.
CREATE FUNCTION pane.usage_of(p_of uuid, p_day boolean, p_cpus integer, p_memory_mib bigint) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('step_s', CASE WHEN p_day THEN 600 ELSE 60 END, 'until', now(),
		'range_s', CASE WHEN p_day THEN 86400 ELSE 3600 END, 'cpus', p_cpus, 'memory_mib', p_memory_mib,
		'samples', coalesce((SELECT jsonb_agg(jsonb_build_object('at', u.at, 'cpu', round(u.cpu),
			'overhead', round(u.overhead), 'io', round(u.io), 'display', round(u.display), 'memory', round(u.memory),
			'display_memory', round(u.display_memory), 'disk_read', round(u.disk_read),
			'disk_written', round(u.disk_written), 'net_in', round(u.net_in), 'net_out', round(u.net_out))
			ORDER BY u.at) FROM pane.usage u WHERE u.of = p_of AND u.step = CASE WHEN p_day THEN 10 ELSE 1 END
			AND u.at > now() - CASE WHEN p_day THEN interval '1 day' ELSE interval '1 hour' END), '[]'))::text
$$;

CREATE FUNCTION pane.desktop_usage(p_name text, p_day boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.usage_of(d.id, p_day, d.cpus, d.memory_mib) FROM pane.desktop d WHERE d.name = p_name AND d.state <> 'deleted'
$$;

CREATE FUNCTION pane.host_usage(p_name text, p_day boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.usage_of(h.id, p_day, h.cpus, h.memory_mib) FROM pane.host h WHERE h.name = p_name
$$;

-- Who is gone leaves nothing.
CREATE FUNCTION pane.usage_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.usage WHERE of = OLD.id;
	RETURN NULL;
END $$;
CREATE TRIGGER usage_gone AFTER UPDATE OF state ON pane.desktop FOR EACH ROW WHEN (NEW.state = 'deleted')
	EXECUTE FUNCTION pane.usage_gone();
CREATE TRIGGER usage_gone AFTER DELETE ON pane.host FOR EACH ROW EXECUTE FUNCTION pane.usage_gone();
