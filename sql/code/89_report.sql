-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The report of what was used: hours, processor, memory, disk and network by day, pool and user (026_usage_day.sql).

-- A report's "usage", after it went into the charts: each mean times how long it is of ("over_s").
CREATE FUNCTION pane.report_put(p_host uuid, p_usage jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_at timestamptz := now() - make_interval(secs => (p_usage ->> 'ago_s')::integer);
	v_over integer := coalesce((p_usage ->> 'over_s')::integer, 60);
BEGIN
	-- The same look again, as the answer to the first report of it was lost: told to the second.
	UPDATE pane.host SET used_at = v_at WHERE id = p_host
		AND (used_at IS NULL OR v_at > used_at + make_interval(secs => v_over / 2.0) OR v_at < used_at - interval '1 hour');
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO pane.usage_piece (day, pool, user_name, desktop_s, cpu_s, overhead_s, display_s, memory_mib_s, disk_kib,
			net_kib, io_s)
		SELECT v_at::date, coalesce(p.name, ''), coalesce(u.name, ''), count(*) * v_over,
			coalesce(sum((x ->> 1)::float8), 0) / 1000 * v_over, coalesce(sum((x ->> 2)::float8), 0) / 1000 * v_over,
			coalesce(sum((x ->> 3)::float8), 0) / 1000 * v_over,
			sum(coalesce((x ->> 4)::float8, 0) + coalesce((x ->> 5)::float8, 0)) * v_over,
			sum(coalesce((x ->> 6)::float8, 0) + coalesce((x ->> 7)::float8, 0)) * v_over,
			sum(coalesce((x ->> 8)::float8, 0) + coalesce((x ->> 9)::float8, 0)) * v_over,
			coalesce(sum((x ->> 10)::float8), 0) / 1000 * v_over
		FROM jsonb_array_elements(p_usage -> 'desktops') x JOIN pane.desktop d ON d.id = (x ->> 0)::uuid
			AND d.host_id = p_host AND d.state <> 'deleted'
		LEFT JOIN pane.pool p ON p.id = d.pool_id LEFT JOIN pane.users u ON u.id = d.user_id GROUP BY 2, 3;
END $$;

-- How long somebody was connected, when that is over; what is still going on is added as it is asked for.
CREATE FUNCTION pane.report_session() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v_pool text;
BEGIN
	SELECT p.name INTO v_pool FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id WHERE d.id = NEW.desktop_id;
	IF NEW.state = 'connected' THEN
		INSERT INTO pane.usage_piece (day, pool, user_name, connects)
			VALUES (NEW.since::date, coalesce(v_pool, ''), NEW.user_name, 1);
	ELSE
		INSERT INTO pane.usage_piece (day, pool, user_name, connected_s)
			SELECT day, coalesce(v_pool, ''), NEW.user_name, s FROM pane.days_of(OLD.since, NEW.since);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER report_session AFTER UPDATE OF state ON pane.session FOR EACH ROW
	WHEN ((NEW.state = 'connected') IS DISTINCT FROM (OLD.state = 'connected')) EXECUTE FUNCTION pane.report_session();

-- A time, in seconds of each day it touches.
CREATE FUNCTION pane.days_of(p_from timestamptz, p_to timestamptz) RETURNS TABLE (day date, s bigint) LANGUAGE sql STABLE AS $$
	SELECT d::date, extract(epoch FROM least(p_to, d + interval '1 day') - greatest(p_from, d))::bigint
	FROM generate_series(date_trunc('day', p_from), p_to, interval '1 day') d
$$;

-- Adds what has come since to its days. One broker at a time; the others find nothing to do.
CREATE FUNCTION pane.rec_report() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
	IF NOT pg_try_advisory_xact_lock(1885433445, 2) THEN
		RETURN 0;
	END IF;
	WITH gone AS (DELETE FROM pane.usage_piece WHERE ctid = ANY (ARRAY(SELECT ctid FROM pane.usage_piece LIMIT 20000))
		RETURNING *)
	INSERT INTO pane.usage_day AS u SELECT day, pool, user_name, sum(desktop_s), sum(connected_s), sum(connects), sum(cpu_s),
			sum(overhead_s), sum(display_s), sum(memory_mib_s), sum(disk_kib), sum(net_kib), sum(io_s)
		FROM gone GROUP BY 1, 2, 3
		ON CONFLICT (day, pool, user_name) DO UPDATE SET desktop_s = u.desktop_s + excluded.desktop_s,
			connected_s = u.connected_s + excluded.connected_s, connects = u.connects + excluded.connects,
			cpu_s = u.cpu_s + excluded.cpu_s, overhead_s = u.overhead_s + excluded.overhead_s,
			display_s = u.display_s + excluded.display_s, memory_mib_s = u.memory_mib_s + excluded.memory_mib_s,
			disk_kib = u.disk_kib + excluded.disk_kib, net_kib = u.net_kib + excluded.net_kib,
			io_s = u.io_s + excluded.io_s;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN 0 * n; -- of no interest to a log, every few seconds
END $$;

CREATE FUNCTION pane.report_purge() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pane.usage_day WHERE day < current_date - 400
$$;

-- From one day to another, both included; a line for each of what p_by names: day, pool, user. What is still going on
-- and what nobody added yet counts, too.
CREATE FUNCTION pane.usage_report(p_from date, p_to date, p_by text[]) RETURNS text LANGUAGE sql STABLE AS $$
	WITH live AS (SELECT x.day, coalesce(p.name, '') AS pool, s.user_name, x.s FROM pane.session s
			JOIN pane.desktop d ON d.id = s.desktop_id LEFT JOIN pane.pool p ON p.id = d.pool_id
			CROSS JOIN LATERAL pane.days_of(s.since, clock_timestamp()) x WHERE s.state = 'connected'),
	all_of AS (SELECT * FROM pane.usage_day UNION ALL SELECT * FROM pane.usage_piece
		UNION ALL SELECT day, pool, user_name, 0, s, 0, 0, 0, 0, 0, 0, 0, 0 FROM live),
	lines AS (SELECT CASE WHEN 'day' = ANY (p_by) THEN day END AS day, CASE WHEN 'pool' = ANY (p_by) THEN pool END AS pool,
			CASE WHEN 'user' = ANY (p_by) THEN user_name END AS "user", round(sum(desktop_s) / 3600.0, 2) AS desktop_hours,
			round(sum(connected_s) / 3600.0, 2) AS connected_hours, sum(connects) AS connects,
			round((sum(cpu_s) / 3600)::numeric, 3) AS cpu_hours, round((sum(overhead_s) / 3600)::numeric, 3) AS overhead_hours,
			round((sum(io_s) / 3600)::numeric, 3) AS io_hours, round((sum(display_s) / 3600)::numeric, 3) AS display_hours,
			round((sum(memory_mib_s) / 3600 / 1024)::numeric, 2) AS memory_gib_hours,
			round((sum(disk_kib) / 1024)::numeric, 1) AS disk_mib, round((sum(net_kib) / 1024)::numeric, 1) AS net_mib
		FROM all_of WHERE day BETWEEN p_from AND p_to GROUP BY 1, 2, 3)
	SELECT jsonb_build_object('from', p_from, 'to', p_to, 'items',
		coalesce((SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(l)) ORDER BY day, pool, "user") FROM lines l), '[]'))::text
$$;

CREATE FUNCTION pane.need_day(p_name text, p_text text, p_else date) RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_text = '' THEN
		RETURN p_else;
	END IF;
	IF p_text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
		RETURN p_text::date;
	END IF;
	RAISE datetime_field_overflow;
EXCEPTION WHEN datetime_field_overflow THEN
	PERFORM pane.refuse(400, 'request.invalid', format('"%s" is a day like 2026-11-28.', p_name));
	RETURN NULL;
END $$;

-- What a person asks for; '' = as nobody said. As JSON or as CSV with a head (RFC 4180).
CREATE FUNCTION pane.report(p_from text, p_to text, p_by text, p_csv boolean) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE v_to date := pane.need_day('to', p_to, current_date); v_from date := pane.need_day('from', p_from, v_to - 30);
	v_by text[] := string_to_array(coalesce(nullif(p_by, ''), 'pool'), ','); v_out text; v_keys text[];
BEGIN
	IF NOT v_by <@ '{day,pool,user}' THEN
		PERFORM pane.refuse(400, 'request.invalid', '"by" names day, pool and user, one or more with commas between.');
	END IF;
	IF v_from > v_to THEN
		PERFORM pane.refuse(400, 'request.invalid', format('The report ends (%s) before it begins (%s).', v_to, v_from));
	END IF;
	v_out := pane.usage_report(v_from, v_to, v_by);
	IF NOT p_csv THEN
		RETURN v_out;
	END IF;
	v_keys := ARRAY(SELECT k FROM unnest('{day,pool,user}'::text[]) k WHERE k = ANY (v_by))
		|| '{desktop_hours,connected_hours,connects,cpu_hours,overhead_hours,io_hours,display_hours,memory_gib_hours,disk_mib,net_mib}'::text[];
	RETURN array_to_string(v_keys, ',') || E'\r\n' || coalesce((SELECT string_agg((SELECT string_agg(CASE WHEN n <= cardinality(v_by)
			THEN pane.csv_field(o ->> k) ELSE o ->> k END, ',' ORDER BY n) FROM unnest(v_keys) WITH ORDINALITY x (k, n)) || E'\r\n',
			'' ORDER BY i) FROM jsonb_array_elements(v_out::jsonb -> 'items') WITH ORDINALITY y (o, i)), '');
END $$;
