-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What happened, and how it is read. Ids are given before commits happen, so a reader who remembers the
-- highest id seen would miss a slower transaction: events are read in order of (transaction, id), and only
-- of transactions older than every one still running, to which nothing can be added any more.

-- A refusal that reaches a person: SQLSTATE PNnnn carries the HTTP status, HINT the stable word,
-- DETAIL a JSON array of reasons.
CREATE FUNCTION pane.refuse(p_status integer, p_code text, p_message text, p_reasons text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'PN' || p_status, MESSAGE = p_message, HINT = p_code,
		DETAIL = array_to_json(p_reasons)::text;
END $$;

CREATE FUNCTION pane.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pane.audit
	FOR EACH STATEMENT EXECUTE FUNCTION pane.append_only();
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pane.event
	FOR EACH STATEMENT EXECUTE FUNCTION pane.append_only();

-- Makes the tables of this month and the next where they are missing (029_audit.sql). With the rights of their owner:
-- the broker itself may neither make nor drop any. Taking old ones away is an administrator's: DROP TABLE pane.audit_2026_01.
CREATE FUNCTION pane.audit_months() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE m timestamptz; v_name text; n integer := 0;
BEGIN
	FOR i IN 0 .. 1 LOOP
		m := date_trunc('month', date_trunc('month', now(), 'UTC') + i * interval '32 days', 'UTC');
		v_name := 'audit_' || to_char(m AT TIME ZONE 'UTC', 'YYYY_MM');
		CONTINUE WHEN to_regclass('pane.' || v_name) IS NOT NULL;
		BEGIN
			EXECUTE format('CREATE TABLE pane.%I PARTITION OF pane.audit FOR VALUES FROM (%L) TO (%L)', v_name, m,
				date_trunc('month', m + interval '32 days', 'UTC'));
			n := n + 1;
		EXCEPTION WHEN check_violation OR duplicate_table THEN
			NULL; -- some of it is in audit_rest already, or another broker was quicker
		END;
	END LOOP;
	RETURN n;
END $$;

CREATE FUNCTION pane.event_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.kind IN ('session', 'warning', 'role') THEN
		NEW.user_name := NEW.name;
	ELSIF NEW.kind = 'machine' THEN
		NEW.user_name := coalesce((SELECT u.name FROM pane.desktop d JOIN pane.users u ON u.id = d.user_id
			WHERE d.id = NEW.desktop_id), '');
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER event_user BEFORE INSERT ON pane.event FOR EACH ROW EXECUTE FUNCTION pane.event_user();

-- Where the stream stands now: everything up to it is settled.
CREATE FUNCTION pane.event_now() RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1
$$;

-- An object as the audit keeps it; NULL when there is none (yet, any more) of that name.
CREATE FUNCTION pane.audit_state(p_action text, p_name text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE split_part(p_action, '.', 1)
		WHEN 'user' THEN (SELECT to_jsonb(u) - '{password,id,last_login_at}'::text[] FROM pane.users u
			WHERE u.name = p_name)
		WHEN 'pool' THEN pane.pool_file(p_name)
		WHEN 'branding' THEN pane.get_branding()::jsonb
		WHEN 'quota' THEN pane.get_quota(p_name)::jsonb - '{used,says}'::text[]
		WHEN 'group' THEN pane.get_group(p_name)::jsonb - '{created_at,users}'::text[]
		WHEN 'terminal' THEN (SELECT pane.terminal_config(t) - 'exit_pin' FROM pane.terminal t WHERE t.name = p_name)
		WHEN 'host' THEN (SELECT jsonb_build_object('name', h.name, 'address', h.address, 'maintenance',
			h.maintenance, 'enrolled_at', h.enrolled_at) FROM pane.host h WHERE h.name = p_name)
		WHEN 'session' THEN (SELECT jsonb_build_object('desktop', d.name, 'user', s.user_name, 'state', s.state,
			'messages', (SELECT coalesce(jsonb_agg(m.text ORDER BY m.id), '[]') FROM pane.message m
			WHERE m.session_id = s.id AND m.kind = 'person' AND m.until > now()))
			FROM pane.session s JOIN pane.desktop d ON d.id = s.desktop_id WHERE s.id::text = p_name)
		WHEN 'desktop' THEN (SELECT jsonb_build_object('state', d.state, 'user', u.name, 'epoch', d.epoch,
			'want', d.want) FROM pane.desktop d LEFT JOIN pane.users u ON u.id = d.user_id
			WHERE d.name = p_name AND d.state <> 'deleted')
		END
$$;

-- What an administrator changed is an event, too.
CREATE FUNCTION pane.audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.event (kind, name, to_state, reason) VALUES ('change', NEW.object, NEW.action,
		'by ' || NEW.actor);
	RETURN NULL;
END $$;
CREATE TRIGGER audit_event AFTER INSERT ON pane.audit FOR EACH ROW WHEN (NEW.outcome = 'ok'
	AND NEW.action NOT IN ('connect', 'connect.password', 'connect.ticket', 'login', 'ticket.create',
	'password.check', 'picture.look')) EXECUTE FUNCTION pane.audit_event();

-- Oldest first, from the entry after p_after: as JSON lines or CSV (RFC 4180, with a head).
CREATE FUNCTION pane.csv_field(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN t ~ '[",\r\n]' OR t ~ '^[=+@-]' THEN '"' || CASE WHEN t ~ '^[=+@-]' THEN '''' ELSE '' END
		|| replace(t, '"', '""') || '"' ELSE coalesce(t, '') END
$$;

CREATE FUNCTION pane.export_audit(p_after text, p_limit integer, p_csv boolean) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p_csv THEN 'id,at,actor,action,object,outcome,detail,client,conn,before,after' || E'\r\n'
		ELSE '' END || coalesce(string_agg(CASE WHEN p_csv THEN array_to_string(ARRAY[a.id::text,
		to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), pane.csv_field(a.actor), pane.csv_field(a.action),
		pane.csv_field(a.object), a.outcome, pane.csv_field(a.detail), a.client, a.conn,
		pane.csv_field(a.before::text), pane.csv_field(a.after::text)], ',', '') || E'\r\n'
		ELSE to_jsonb(a)::text || E'\n' END, '' ORDER BY a.id), '')
	FROM (SELECT * FROM pane.audit WHERE id > (CASE WHEN p_after ~ '^[0-9]{1,18}$' THEN p_after ELSE '0'
		END)::bigint ORDER BY id LIMIT p_limit) a
$$;

-- Newest first; p_after is the id of the oldest entry seen.
CREATE FUNCTION pane.list_audit(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (
		SELECT id::text AS id, at, conn, actor, action, object, outcome, detail, client, before, after
		FROM pane.audit WHERE p_after = '' OR id < (CASE WHEN p_after ~ '^[0-9]{1,18}$'
			THEN p_after ELSE '0' END)::bigint
		ORDER BY audit.id DESC LIMIT p_limit + 1) x
$$;

CREATE FUNCTION pane.logon_ms(p_detail text, p_key text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT substring(p_detail FROM '\m' || p_key || '=([0-9]{1,12})\M')::bigint
$$;

-- Newest first; p_after is the id of the oldest seen.
CREATE FUNCTION pane.list_logons(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit) FROM (
		SELECT a.id::text AS id, a.at, a.actor AS user, a.object AS desktop, a.client, a.conn,
			pane.logon_ms(a.detail, 'auth_ms') AS auth_ms, pane.logon_ms(a.detail, 'assign_ms') AS assign_ms,
			pane.logon_ms(a.detail, 'start_ms') AS start_ms, (SELECT (extract(epoch FROM e.at - a.at) * 1000)::bigint
				FROM pane.session s JOIN pane.event e ON e.desktop_id = s.desktop_id AND e.session_id = s.id
				WHERE s.conn = a.conn AND s.desktop_id = d.id AND e.to_state = 'connected' AND e.at >= a.at
				ORDER BY e.id LIMIT 1) AS display_ms
		FROM pane.audit a LEFT JOIN pane.desktop d ON d.name = a.object AND d.state <> 'deleted'
		WHERE a.action = 'connect' AND a.outcome = 'ok' AND (p_after = '' OR a.id < (CASE
			WHEN p_after ~ '^[0-9]{1,18}$' THEN p_after ELSE '0' END)::bigint)
		ORDER BY a.id DESC LIMIT p_limit + 1) x
$$;

-- Prometheus text format, of what the database knows; the broker adds its own counters.
CREATE FUNCTION pane.metrics() RETURNS text LANGUAGE sql STABLE AS $$
	WITH m (name, help, label, value) AS (
		SELECT 'pane_desktops', 'Desktops by pool and state', format('{pool="%s",state="%s"}',
			coalesce(p.name, ''), d.state), count(*)
		FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id WHERE d.state <> 'deleted'
		GROUP BY p.name, d.state
		UNION ALL SELECT 'pane_desktops_ready_unassigned', 'Warm desktops nobody has', format('{pool="%s"}', p.name),
			count(d.id) FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state = 'ready'
			AND d.user_id IS NULL AND NOT d.dirty WHERE p.deleted_at IS NULL GROUP BY p.name
		UNION ALL SELECT 'pane_pool_blocked', '1 when a pool cannot grow as it should', format('{pool="%s"}', name),
			(blocked <> '{}')::integer FROM pane.pool WHERE deleted_at IS NULL
		UNION ALL SELECT 'pane_pool_stopped', '1 when its breaker is open', format('{pool="%s"}', name),
			(stopped_at IS NOT NULL)::integer FROM pane.pool WHERE deleted_at IS NULL
		UNION ALL SELECT 'pane_sessions', 'Live sessions by state', format('{state="%s"}', state), count(*)
			FROM pane.session WHERE state <> 'ended' GROUP BY state
		UNION ALL SELECT 'pane_hosts', 'Hosts by state', format('{state="%s"}', CASE WHEN online THEN 'online'
			ELSE 'offline' END), count(*) FROM pane.host WHERE enrolled_at IS NOT NULL GROUP BY online
		UNION ALL SELECT 'pane_users', 'Users who may log in', '', count(*) FROM pane.users WHERE NOT disabled)
	SELECT coalesce(string_agg(CASE WHEN first THEN format(E'# HELP %s %s\n# TYPE %s gauge\n', name, help, name)
		ELSE '' END || name || label || ' ' || value || E'\n', '' ORDER BY name, label), '')
	FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY label) = 1 AS first FROM m) x
$$;

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
