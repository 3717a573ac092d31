-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- When, and from where, people may enter. A pool has a rule for all; each entitlement (of a user, or through a group)
-- may have one besides, and one that holds is enough. Asked when a ticket is given and at every connection; a live
-- session goes on when its hours end.

CREATE FUNCTION pane.day_number(p_day text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT array_position('{mon,tue,wed,thu,fri,sat,sun}', p_day) - 1
$$;

-- "mon-fri 08:00-18:00" or "daily 22:00-06:00" as minutes of the week; past midnight is the next day.
CREATE FUNCTION pane.week_of(p_hours text) RETURNS int4multirange LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE m text[]; v int4multirange := '{}'; v_first integer; v_days integer; v_from integer; v_to integer; a integer;
BEGIN
	m := regexp_match(lower(p_hours), '^(?:(daily)|(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))?) '
		'([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)$');
	IF m IS NULL THEN
		PERFORM pane.refuse(400, 'request.invalid', format('"%s" is no hours; write "mon-fri 08:00-18:00" or '
			'"daily 22:00-06:00".', left(p_hours, 60)));
	END IF;
	v_first := coalesce(pane.day_number(m[2]), 0);
	v_days := CASE WHEN m[1] IS NOT NULL THEN 7
		ELSE (coalesce(pane.day_number(m[3]), v_first) - v_first + 7) % 7 + 1 END;
	v_from := m[4]::integer * 60 + m[5]::integer;
	v_to := coalesce(m[6]::integer * 60 + m[7]::integer, 1440);
	v_to := v_to + CASE WHEN v_to <= v_from THEN 1440 ELSE 0 END;
	FOR i IN v_first .. v_first + v_days - 1 LOOP
		a := i % 7 * 1440;
		v := v + int4multirange(int4range(a + v_from, least(a + v_to, 10080)));
		IF a + v_to > 10080 THEN
			v := v + int4multirange(int4range(0, a + v_to - 10080));
		END IF;
	END LOOP;
	RETURN v;
END $$;

CREATE FUNCTION pane.week(p_hours text[]) RETURNS int4multirange LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE v int4multirange := '{}'; h text;
BEGIN
	FOREACH h IN ARRAY p_hours LOOP
		v := v + pane.week_of(h);
	END LOOP;
	RETURN CASE WHEN p_hours <> '{}' THEN v END;
END $$;

CREATE FUNCTION pane.week_minute(p_zone text, p_at timestamptz) RETURNS integer LANGUAGE sql STABLE AS $$
	SELECT (extract(isodow FROM t) * 1440 - 1440 + extract(hour FROM t) * 60 + extract(minute FROM t))::integer
	FROM (SELECT p_at AT TIME ZONE p_zone AS t) x
$$;

-- The address of "1.2.3.4:567" or "[fd00::1]:567"; NULL when there is none. v4-mapped v6 is v4.
CREATE FUNCTION pane.client_address(p_client text) RETURNS inet LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN regexp_replace(regexp_replace(p_client, '^\[?(.*?)\]?:[0-9]+$', '\1'), '^::ffff:([0-9.]+)$', '\1')::inet;
EXCEPTION WHEN invalid_text_representation THEN
	RETURN NULL;
END $$;

-- How long it is open yet, in seconds: 0 = it is not, NULL = nobody closes it. The week begins anew at its end.
CREATE FUNCTION pane.open_left_s(p_open int4multirange, p_zone text, p_at timestamptz) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE v_now integer := pane.week_minute(p_zone, p_at); v_end integer;
BEGIN
	IF p_open IS NULL OR p_open @> int4range(0, 10080) THEN
		RETURN NULL;
	ELSIF NOT p_open @> v_now THEN
		RETURN 0;
	END IF;
	SELECT upper(r) INTO v_end FROM unnest(p_open) r WHERE r @> v_now;
	IF v_end = 10080 THEN
		SELECT v_end + coalesce(max(upper(r)), 0) INTO v_end FROM unnest(p_open) r WHERE lower(r) = 0;
	END IF;
	RETURN (v_end - v_now) * 60 - extract(second FROM p_at)::integer;
END $$;

-- What is wrong with here and now; NULL when nothing is.
CREATE FUNCTION pane.access_row_why_not(a pane.access, p_zone text, p_client text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN NOT a.open @> pane.week_minute(p_zone, now()) THEN format('open %s (%s), and it is %s now',
			array_to_string(a.hours, ', '), p_zone, lower(to_char(now() AT TIME ZONE p_zone, 'Dy HH24:MI')))
		WHEN a.networks <> '{}' AND coalesce(pane.client_address(p_client) <<= ANY (a.networks), false) IS FALSE
			THEN format('open to %s only, and you come from %s', array_to_string(a.networks, ', '),
				coalesce(host(pane.client_address(p_client)), 'an unknown address')) END
$$;

-- Why a user may not enter a pool here and now; reasons NULL when they may.
CREATE FUNCTION pane.access_why_not(p_user uuid, p_pool uuid, p_client text, OUT message text, OUT reasons text[])
LANGUAGE plpgsql STABLE AS $$
DECLARE p pane.pool; r record; v_why text;
BEGIN
	PERFORM FROM pane.access WHERE pool_id = p_pool;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO p FROM pane.pool WHERE id = p_pool;
	SELECT a.refusal, pane.access_row_why_not(a, p.timezone, p_client) AS why INTO r FROM pane.access a
		WHERE a.pool_id = p_pool AND a.user_id IS NULL AND a.group_id IS NULL;
	IF r.why IS NOT NULL THEN
		reasons := ARRAY[format('pool %s is %s', p.name, r.why)];
		message := coalesce(nullif(r.refusal, ''), format('Pool %s is %s.', p.name, r.why));
		RETURN;
	END IF;
	FOR r IN SELECT x.how, a.refusal, pane.access_row_why_not(a, p.timezone, p_client) AS why FROM (
			SELECT 'you are entitled' AS how, e.user_id AS u, NULL::uuid AS g FROM pane.entitlement e
				WHERE e.pool_id = p_pool AND e.user_id = p_user AND e.direct
			UNION ALL SELECT format('through group %s', o.name), NULL, o.id FROM pane.membership m
				JOIN pane.group_entitlement ge ON ge.group_id = m.group_id AND ge.pool_id = p_pool
				JOIN pane.groups o ON o.id = m.group_id WHERE m.user_id = p_user) x
		LEFT JOIN pane.access a ON a.pool_id = p_pool AND (a.user_id = x.u OR a.group_id = x.g) ORDER BY x.how
	LOOP
		IF r.why IS NULL THEN
			reasons := NULL;
			message := NULL;
			RETURN;
		END IF;
		reasons := reasons || format('%s: pool %s is %s', r.how, p.name, r.why);
		message := coalesce(nullif(r.refusal, ''), message, format('Pool %s is %s.', p.name, r.why));
	END LOOP;
END $$;

CREATE FUNCTION pane.access_check(p_user uuid, p_pool uuid, p_client text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	SELECT * INTO r FROM pane.access_why_not(p_user, p_pool, p_client);
	IF r.reasons IS NOT NULL THEN
		PERFORM pane.refuse(403, 'access.refused', r.message, r.reasons);
	END IF;
END $$;

CREATE FUNCTION pane.access_restricts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.pool SET restricted = true WHERE id = NEW.pool_id AND NOT restricted;
	RETURN NULL;
END $$;
CREATE TRIGGER access_restricts AFTER INSERT ON pane.access FOR EACH ROW EXECUTE FUNCTION pane.access_restricts();

-- ---- as administrators see and change it ----

CREATE FUNCTION pane.access_json(p_pool uuid, p_user uuid, p_group uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT jsonb_build_object('hours', a.hours, 'networks', a.networks, 'refusal', a.refusal)
		FROM pane.access a WHERE a.pool_id = p_pool AND a.user_id IS NOT DISTINCT FROM p_user
		AND a.group_id IS NOT DISTINCT FROM p_group), '{"hours":[],"networks":[],"refusal":""}')
$$;

CREATE FUNCTION pane.networks(p jsonb) RETURNS cidr[] LANGUAGE plpgsql AS $$
DECLARE v cidr[] := '{}'; n text;
BEGIN
	FOR n IN SELECT jsonb_array_elements_text(p) LOOP
		v := v || n::cidr;
	END LOOP;
	RETURN v;
EXCEPTION WHEN invalid_text_representation THEN
	PERFORM pane.refuse(400, 'request.invalid', format('"%s" is no network; write 192.0.2.0/24 or 2001:db8::/32.',
		left(n, 60)));
END $$;

-- Sets those of hours, networks and refusal that are there; a rule that restricts nothing is none.
CREATE FUNCTION pane.access_set(p_pool uuid, p_user uuid, p_group uuid, p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE o jsonb := pane.access_json(p_pool, p_user, p_group) || jsonb_strip_nulls(jsonb_build_object('hours',
	p -> 'hours', 'networks', p -> 'networks', 'refusal', p -> 'refusal')); v_hours text[];
BEGIN
	v_hours := ARRAY(SELECT lower(jsonb_array_elements_text(o -> 'hours')));
	DELETE FROM pane.access a WHERE a.pool_id = p_pool AND a.user_id IS NOT DISTINCT FROM p_user
		AND a.group_id IS NOT DISTINCT FROM p_group;
	IF o -> 'hours' = '[]' AND o -> 'networks' = '[]' AND o ->> 'refusal' = '' THEN
		RETURN;
	END IF;
	INSERT INTO pane.access (pool_id, user_id, group_id, hours, open, networks, refusal) VALUES (p_pool, p_user,
		p_group, v_hours, pane.week(v_hours), pane.networks(o -> 'networks'), o ->> 'refusal');
END $$;

CREATE FUNCTION pane.need_zone(p_zone text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pg_timezone_names WHERE name = p_zone;
	IF NOT FOUND AND p_zone IS NOT NULL THEN
		PERFORM pane.refuse(400, 'request.invalid', format('"%s" is no time zone; write one like Europe/Berlin.', p_zone));
	END IF;
	RETURN p_zone;
END $$;

-- The rules of a group's entitlements, by pool; those that restrict nothing are left out.
CREATE FUNCTION pane.group_access(p_group uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_object_agg(p.name, pane.access_json(p.id, NULL, p_group)), '{}') FROM pane.access a
	JOIN pane.pool p ON p.id = a.pool_id AND p.deleted_at IS NULL WHERE a.group_id = p_group
$$;

-- Makes them what a file says: pools it does not name have none.
CREATE FUNCTION pane.group_access_set(p_group uuid, p jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE v_now jsonb := pane.group_access(p_group); v_new jsonb; k text; v_changes text[] := '{}';
BEGIN
	FOR k IN SELECT jsonb_object_keys(v_now || p) ORDER BY 1 LOOP
		PERFORM FROM pane.group_entitlement e JOIN pane.pool o ON o.id = e.pool_id
			WHERE e.group_id = p_group AND o.name = k AND o.deleted_at IS NULL;
		IF NOT FOUND THEN
			PERFORM pane.refuse(400, 'request.invalid', format('access names pool %s, to which the group is not entitled.', k));
		END IF;
		PERFORM pane.access_set(o.id, NULL, p_group, '{"hours":[],"networks":[],"refusal":""}'::jsonb
			|| coalesce(p -> k, '{}')) FROM pane.pool o WHERE o.name = k AND o.deleted_at IS NULL;
		v_new := pane.group_access(p_group) -> k;
		IF v_new IS DISTINCT FROM v_now -> k THEN
			v_changes := v_changes || format('access of pool %s %s -> %s', k, coalesce(v_now ->> k, 'any'),
				coalesce(v_new::text, 'any'));
		END IF;
	END LOOP;
	RETURN v_changes;
END $$;
