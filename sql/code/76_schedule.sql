-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- How many desktops of a pool are kept ready: the most of what its schedule says of this hour of the week (in the
-- pool's time zone; without an entry what "spare" says), of a share of those in use, and of what size_min lacks.

-- "mon-fri 07:00-09:00 10" and the like as 168 numbers, from Monday 00:00; of entries for one hour the later holds.
CREATE FUNCTION pane.grid(p_schedule text[]) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE v integer[] := array_fill(NULL::integer, ARRAY[168]); m text[]; e text; v_week int4multirange;
BEGIN
	FOREACH e IN ARRAY p_schedule LOOP
		m := regexp_match(e, '^(\S+ [0-9]{2}:00-[0-9]{2}:00) ([0-9]{1,4})$');
		IF m IS NULL THEN
			PERFORM pane.refuse(400, 'request.invalid', format('"%s" is no line of a schedule; write days, full hours '
				'and how many are ready: "mon-fri 07:00-09:00 10".', left(e, 60)));
		END IF;
		v_week := pane.week_of(m[1]);
		FOR h IN 0 .. 167 LOOP
			IF v_week @> h * 60 THEN
				v[h + 1] := m[2]::integer;
			END IF;
		END LOOP;
	END LOOP;
	RETURN CASE WHEN p_schedule <> '{}' THEN v END;
END $$;

CREATE FUNCTION pane.spare_at(p pane.pool, p_at timestamptz, OUT spare integer, OUT why text)
LANGUAGE sql STABLE AS $$
	WITH n AS (SELECT count(*) AS used FROM pane.assignment a WHERE a.pool_id = p.id AND a.released_at IS NULL),
	o AS (SELECT p.grid[pane.week_minute(p.timezone, p_at) / 60 + 1] AS hour, n.used,
		ceil(n.used * p.buffer_percent / 100.0)::integer AS buffer, (p.size_min - n.used)::integer AS floor FROM n),
	c (spare, why, nth) AS (SELECT coalesce(hour, p.spare_wanted), CASE WHEN hour IS NOT NULL THEN format(
			'schedule: %s at %s (%s)', hour, lower(to_char(p_at AT TIME ZONE p.timezone, 'Dy HH24:00')), p.timezone)
			ELSE format('spare: %s', p.spare_wanted) END, 1 FROM o
		UNION ALL SELECT buffer, format('buffer: %s %% of %s in use', p.buffer_percent, used), 2 FROM o
		UNION ALL SELECT floor, format('size_min: %s', p.size_min), 3 FROM o)
	SELECT least(p.size_max, c.spare), CASE WHEN c.spare > p.size_max THEN format('%s; size_max: %s', c.why, p.size_max)
		ELSE c.why END FROM c ORDER BY c.spare DESC, c.nth LIMIT 1
$$;

CREATE FUNCTION pane.rec_spares() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
	UPDATE pane.pool p SET spare = x.spare, spare_why = x.why FROM pane.pool q CROSS JOIN LATERAL
		pane.spare_at(q, now()) x WHERE q.id = p.id AND q.spare_wanted IS NOT NULL AND q.deleted_at IS NULL
		AND (p.spare, p.spare_why) IS DISTINCT FROM (x.spare, x.why);
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
