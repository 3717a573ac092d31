-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Terminals. A code enrols as many as it says; a machine that enrols again keeps its name and configuration and
-- gets another token, so that a terminal started by network, which remembers nothing, stays the one it was.
-- A terminal's token is for its own configuration and report, and for nothing else.

CREATE VIEW pane.terminal_view AS
	SELECT t.name, CASE WHEN t.last_seen_at > now() - interval '150 seconds' THEN 'online' ELSE 'silent' END AS state,
		t.last_seen_at, pane.seconds_since(t.last_seen_at) AS last_seen_s, t.version, t.addresses, t.client, t.hardware,
		coalesce(p.name, '') AS pool, t.auto_connect, t.keyboard, t.language, t.notice, t.exit_pin <> '' AS exit_pin,
		t.enrolled_at
	FROM pane.terminal t LEFT JOIN pane.pool p ON p.id = t.pool_id;

CREATE FUNCTION pane.list_terminals(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.terminal_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

CREATE FUNCTION pane.get_terminal(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT to_jsonb(x)::text FROM pane.terminal_view x WHERE name = p_name $$;

-- What a terminal is told.
CREATE FUNCTION pane.terminal_config(t pane.terminal) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('name', t.name, 'notice', t.notice, 'pool', coalesce((SELECT name FROM pane.pool
		WHERE id = t.pool_id), ''), 'auto_connect', t.auto_connect, 'keyboard', t.keyboard, 'language', t.language,
		'exit_pin', t.exit_pin)
$$;

CREATE FUNCTION pane.terminal_code_create(p_hash bytea, p_name text, p_uses integer, p_hours integer, p_by text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v pane.terminal_code;
BEGIN
	DELETE FROM pane.terminal_code WHERE expires_at < now();
	INSERT INTO pane.terminal_code (hash, name, total, uses, created_by, expires_at)
		VALUES (p_hash, p_name, p_uses, p_uses, p_by, now() + make_interval(hours => p_hours)) RETURNING * INTO v;
	RETURN jsonb_build_object('name', v.name, 'uses', v.uses, 'expires_at', v.expires_at);
END $$;

-- The name itself where the code is for one terminal and nobody has it, else the first free number behind it.
CREATE FUNCTION pane.terminal_name(p_name text, p_one boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT x.name FROM (SELECT p_name AS name, 0 AS n WHERE p_one UNION ALL
		SELECT p_name || '-' || i, i FROM generate_series(1, (SELECT count(*) + 1 FROM pane.terminal)) i) x
	WHERE NOT EXISTS (SELECT FROM pane.terminal t WHERE t.name = x.name) ORDER BY x.n LIMIT 1
$$;

CREATE FUNCTION pane.terminal_enrol(p_code bytea, p_token bytea, p_hardware text, p_version text, p_addresses text,
	p_client text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE c pane.terminal_code; t pane.terminal;
BEGIN
	SELECT * INTO c FROM pane.terminal_code WHERE hash = p_code AND expires_at > now() FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(403, 'terminal.code', 'This enrolment code is unknown, used up or expired. Ask an '
			'administrator for another one: pane thin enrol-code.');
	END IF;
	UPDATE pane.terminal SET token_hash = p_token, version = p_version, addresses = p_addresses, client = p_client,
		last_seen_at = now(), enrolled_at = now() WHERE hardware = p_hardware AND p_hardware <> '' RETURNING * INTO t;
	IF NOT FOUND THEN
		PERFORM pg_advisory_xact_lock(hashtext('pane.terminal')); -- one name at a time
		INSERT INTO pane.terminal (name, token_hash, hardware, version, addresses, client)
			VALUES (pane.terminal_name(c.name, c.total = 1), p_token, p_hardware, p_version, p_addresses, p_client)
			RETURNING * INTO t;
	END IF;
	IF c.uses = 1 THEN
		DELETE FROM pane.terminal_code WHERE hash = p_code;
	ELSE
		UPDATE pane.terminal_code SET uses = uses - 1 WHERE hash = p_code;
	END IF;
	RETURN pane.terminal_config(t);
END $$;

-- NULL when there is no terminal of this token (any more).
CREATE FUNCTION pane.terminal_report(p_token bytea, p_version text, p_addresses text, p_client text) RETURNS jsonb
LANGUAGE sql AS $$
	UPDATE pane.terminal t SET version = p_version, addresses = p_addresses, client = p_client, last_seen_at = now()
	WHERE token_hash = p_token RETURNING pane.terminal_config(t)
$$;

-- o has what is to change; "pool": "" for none.
CREATE FUNCTION pane.terminal_set(p_name text, o jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := CASE WHEN coalesce(o ->> 'pool', '') <> '' THEN pane.need_pool(o ->> 'pool') END;
BEGIN
	IF o ? 'name' AND o ->> 'name' <> p_name AND EXISTS (SELECT FROM pane.terminal WHERE name = o ->> 'name') THEN
		PERFORM pane.refuse(409, 'terminal.exists', format('There is a terminal %s already.', o ->> 'name'));
	END IF;
	UPDATE pane.terminal SET name = coalesce(o ->> 'name', name), pool_id = CASE WHEN o ? 'pool' THEN v_pool
			ELSE pool_id END, auto_connect = coalesce((o ->> 'auto_connect')::boolean, auto_connect),
		keyboard = coalesce(o ->> 'keyboard', keyboard), language = coalesce(o ->> 'language', language),
		notice = coalesce(o ->> 'notice', notice), exit_pin = coalesce(o ->> 'exit_pin', exit_pin)
		WHERE name = p_name;
	RETURN pane.get_terminal(coalesce(o ->> 'name', p_name));
END $$;

CREATE FUNCTION pane.terminal_delete(p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.terminal WHERE name = p_name;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'terminal.unknown', format('There is no terminal %s.', p_name));
	END IF;
END $$;
