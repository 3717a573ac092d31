-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Homes: the files of a user in a pool, apart from every desktop, on one host. A row names them
-- from the first assignment on; its key is theirs alone, so that a home which is being deleted can
-- never be taken for the next one of the same user. Deletion is an order to the host that holds the
-- files, which obeys unless a machine has them; the row goes when no host reports them any more.
-- A home nobody may use any longer is deleted after the retention time.

CREATE TYPE pane.home_state AS ENUM ('kept', 'deleting');

CREATE TABLE pane.home (
	key uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- names the files on their host
	user_id uuid REFERENCES pane.users ON DELETE SET NULL,
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL,
	user_name text NOT NULL,
	pool_name text NOT NULL,
	host_id uuid REFERENCES pane.host ON DELETE SET NULL, -- NULL until a desktop was placed
	state pane.home_state NOT NULL DEFAULT 'kept',
	reason text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	used_at timestamptz NOT NULL DEFAULT now(), -- last given to a desktop, or left by one
	orphan_at timestamptz                       -- since when nobody may use it
);
CREATE UNIQUE INDEX home_of ON pane.home (user_id, pool_id) WHERE state = 'kept';

-- What hosts say they have, also copies made while the home's own host was away.
CREATE TABLE pane.host_home (
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	key uuid NOT NULL,
	mib bigint NOT NULL DEFAULT 0,
	used_mib bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (host_id, key)
);
CREATE INDEX host_home_key ON pane.host_home (key);
CREATE INDEX desktop_home ON pane.desktop (home) WHERE home IS NOT NULL;

INSERT INTO pane.home (key, user_id, pool_id, user_name, pool_name, host_id)
	SELECT DISTINCT ON (a.user_id, a.pool_id) pane.home_key(a.user_id, a.pool_id), a.user_id,
		a.pool_id, u.name, p.name, a.host_id
	FROM pane.assignment a JOIN pane.pool p ON p.id = a.pool_id
	JOIN pane.users u ON u.id = a.user_id
	WHERE a.host_id IS NOT NULL AND pane.keeps_home(p) ORDER BY a.user_id, a.pool_id, a.id;

-- The key of the user's home in a pool; a new one where there is none. One call of a user and pool
-- at a time (pane.assign() holds their lock), and the index where not.
CREATE OR REPLACE FUNCTION pane.home_key(p_user uuid, p_pool uuid) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE v uuid;
BEGIN
	SELECT key INTO v FROM pane.home WHERE user_id = p_user AND pool_id = p_pool AND state = 'kept';
	IF v IS NULL THEN
		INSERT INTO pane.home (user_id, pool_id, user_name, pool_name)
			SELECT u.id, p.id, u.name, p.name FROM pane.users u, pane.pool p
			WHERE u.id = p_user AND p.id = p_pool
			ON CONFLICT (user_id, pool_id) WHERE state = 'kept' DO UPDATE SET used_at = now()
			RETURNING key INTO v;
	END IF;
	RETURN v;
END $$;

-- The host that keeps the user's files of a pool, while it answers: lost hosts must not keep
-- people from working (they get an empty home elsewhere, and the old one back with the host).
CREATE OR REPLACE FUNCTION pane.home_host(p_user uuid, p_pool uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
	SELECT h.id FROM pane.home m JOIN pane.pool p ON p.id = m.pool_id
	JOIN pane.host h ON h.id = m.host_id AND h.online
	WHERE m.user_id = p_user AND m.pool_id = p_pool AND m.state = 'kept' AND pane.keeps_home(p)
$$;

-- As in 011_versions.sql; a home begins only where the pool has them.
CREATE OR REPLACE FUNCTION pane.home_attach() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	PERFORM FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id AND p.home_mib > 0
		WHERE d.id = NEW.desktop_id AND d.isolation::text = 'vm';
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	v := pane.home_key(NEW.user_id, NEW.pool_id);
	UPDATE pane.desktop d SET home = v,
		want = CASE WHEN d.state = 'requested' THEN d.want ELSE 'stopped' END,
		epoch = d.epoch + 1,
		state = CASE WHEN d.state = 'requested' THEN d.state ELSE 'booting' END,
		reason = 'starts with the files of ' || NEW.user_name
		WHERE d.id = NEW.desktop_id AND d.home IS DISTINCT FROM v
		AND d.state IN ('requested', 'cloning', 'booting', 'ready');
	RETURN NULL;
END $$;

CREATE FUNCTION pane.home_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.home SET used_at = now(), host_id = CASE WHEN NEW.home IS NULL THEN host_id
		ELSE coalesce(host_id, NEW.host_id) END WHERE key = coalesce(NEW.home, OLD.home);
	RETURN NULL;
END $$;
CREATE TRIGGER home_seen AFTER UPDATE ON pane.desktop FOR EACH ROW
	WHEN ((OLD.home, OLD.host_id) IS DISTINCT FROM (NEW.home, NEW.host_id)
		AND (OLD.home IS NOT NULL OR NEW.home IS NOT NULL))
	EXECUTE FUNCTION pane.home_seen();

-- ---- a desktop where the files are ----

-- Takes an idle spare of another host away, so that a full pool has room where a user's files are.
CREATE FUNCTION pane.spare_give_up(p_pool uuid, p_keep uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT d.id INTO v FROM pane.desktop d WHERE d.pool_id = p_pool AND d.user_id IS NULL
		AND NOT d.dirty AND d.want = 'running' AND d.host_id IS DISTINCT FROM p_keep
		AND d.state IN ('requested', 'cloning', 'booting', 'ready')
		ORDER BY d.state, d.since DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
	RETURN v IS NOT NULL AND pane.machine_remove(v, 'deleting',
		'makes room for a user whose files are on another host');
END $$;

CREATE FUNCTION pane.pool_full(p pane.pool, p_only uuid) RETURNS text[] LANGUAGE sql STABLE AS $$
	SELECT ARRAY[format('pool %s is full: %s of %s assigned', p.name, (SELECT count(*)
			FROM pane.assignment WHERE pool_id = p.id AND released_at IS NULL), p.size_max)]
		|| (SELECT array_agg(format('desktop %s is %s%s', d.name, d.state,
			CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '' END) ORDER BY d.name)
			FROM pane.desktop d WHERE d.pool_id = p.id AND d.user_id IS NULL
			AND d.state <> 'deleted')
		|| (SELECT ARRAY[format('your files are on host %s', h.name)] FROM pane.host h
			WHERE h.id = p_only)
$$;

-- Adds one desktop to a pool and places it; NULL with reasons when no host takes it. p_only: the
-- host that keeps the user's files.
CREATE OR REPLACE FUNCTION pane.desktop_create(p_pool uuid, p_only uuid DEFAULT NULL,
	OUT desktop uuid, OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_host uuid; v_pool pane.pool; v_n integer; v_full boolean;
BEGIN
	PERFORM pane.place_lock();
	SELECT * INTO v_pool FROM pane.pool WHERE id = p_pool AND deleted_at IS NULL;
	IF NOT FOUND THEN
		reasons := ARRAY['the pool is being deleted'];
		RETURN;
	END IF;
	v_full := pane.pool_size(p_pool) >= v_pool.size_max;
	IF v_full AND p_only IS NULL THEN
		reasons := pane.pool_full(v_pool, p_only);
		RETURN;
	END IF;
	SELECT p.host, p.reasons INTO v_host, reasons FROM pane.place_host(p_pool, p_only) p;
	IF v_host IS NULL THEN
		RETURN;
	END IF;
	IF v_full AND NOT pane.spare_give_up(p_pool, p_only) THEN
		reasons := pane.pool_full(v_pool, p_only);
		RETURN;
	END IF;
	SELECT min(n) INTO v_n FROM generate_series(1, 20001) n WHERE NOT EXISTS
		(SELECT FROM pane.desktop d WHERE d.name = v_pool.name || '-' || n
		 AND d.state <> 'deleted');
	INSERT INTO pane.desktop (pool_id, name) VALUES (p_pool, v_pool.name || '-' || v_n)
		RETURNING id INTO desktop;
	PERFORM pane.place(desktop, v_host);
END $$;

-- ---- deletion ----

-- Why a home cannot be deleted now.
CREATE FUNCTION pane.home_used(p_key uuid) RETURNS text[] LANGUAGE sql STABLE AS $$
	SELECT array_agg(format('desktop %s of %s has it', d.name, coalesce(u.name, 'nobody'))
		ORDER BY d.name) FROM pane.desktop d LEFT JOIN pane.users u ON u.id = d.user_id
	WHERE d.home = p_key AND d.state <> 'deleted'
$$;

CREATE FUNCTION pane.home_remove(p_key uuid, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.home SET state = 'deleting', reason = p_reason WHERE key = p_key;
	DELETE FROM pane.home m WHERE m.key = p_key AND m.host_id IS NULL
		AND NOT EXISTS (SELECT FROM pane.host_home x WHERE x.key = p_key);
	PERFORM pane.bump(x.id) FROM (SELECT host_id AS id FROM pane.home WHERE key = p_key
		AND host_id IS NOT NULL UNION SELECT host_id FROM pane.host_home WHERE key = p_key) x;
END $$;

CREATE FUNCTION pane.home_delete(p_key uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE m pane.home; v_used text[];
BEGIN
	SELECT * INTO m FROM pane.home WHERE key = p_key FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'home.unknown', format('There is no home %s.', p_key));
	END IF;
	v_used := pane.home_used(p_key);
	IF v_used IS NOT NULL THEN
		PERFORM pane.refuse(409, 'home.used', format('The home of %s in pool %s is in use. '
			'Release the desktop first.', m.user_name, m.pool_name), v_used);
	END IF;
	PERFORM pane.home_remove(p_key, 'deleted by an administrator');
END $$;

-- Homes whose user may not have a desktop of their pool any more, or whose user or pool is gone.
CREATE FUNCTION pane.rec_homes(p_keep_s bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE m record; n integer := 0;
BEGIN
	UPDATE pane.home x SET orphan_at = CASE WHEN x.orphan_at IS NULL THEN now() END
		WHERE x.state = 'kept' AND (x.orphan_at IS NULL) = NOT EXISTS (SELECT
			FROM pane.entitlement e JOIN pane.pool p ON p.id = e.pool_id
			AND p.deleted_at IS NULL WHERE e.user_id = x.user_id AND e.pool_id = x.pool_id);
	DELETE FROM pane.home x WHERE x.state = 'deleting' AND x.host_id IS NULL -- gone with its host
		AND NOT EXISTS (SELECT FROM pane.host_home y WHERE y.key = x.key);
	FOR m IN SELECT key FROM pane.home WHERE state = 'kept' AND p_keep_s > 0
		AND orphan_at < now() - make_interval(secs => p_keep_s) AND pane.home_used(key) IS NULL
		ORDER BY key LIMIT 100 FOR UPDATE SKIP LOCKED
	LOOP
		PERFORM pane.home_remove(m.key, 'nobody may use it any more');
		INSERT INTO pane.audit (actor, action, object, outcome, detail) SELECT 'broker',
			'home.delete', format('%s/%s %s', pool_name, user_name, key), 'ok', 'nobody could '
			'use it since ' || orphan_at FROM pane.home WHERE key = m.key;
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;

-- The "homes" of a report, of hosts that send them: a deleted one they no longer have is gone.
CREATE FUNCTION pane.host_homes(p_host uuid, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_list jsonb := p_report -> 'homes';
BEGIN
	IF v_list IS NULL OR jsonb_typeof(v_list) <> 'array' THEN
		RETURN;
	END IF;
	DELETE FROM pane.host_home h WHERE h.host_id = p_host AND NOT EXISTS (
		SELECT FROM jsonb_array_elements(v_list) x WHERE (x ->> 'key')::uuid = h.key);
	INSERT INTO pane.host_home AS h (host_id, key, mib, used_mib)
		SELECT DISTINCT ON (x ->> 'key') p_host, (x ->> 'key')::uuid,
			coalesce((x ->> 'mib')::bigint, 0), coalesce((x ->> 'used_mib')::bigint, 0)
		FROM jsonb_array_elements(v_list) x
		ON CONFLICT (host_id, key) DO UPDATE SET mib = excluded.mib, used_mib = excluded.used_mib
			WHERE (h.mib, h.used_mib) IS DISTINCT FROM (excluded.mib, excluded.used_mib);
	DELETE FROM pane.home m WHERE m.state = 'deleting'
		AND (m.host_id IS NULL OR m.host_id = p_host)
		AND NOT EXISTS (SELECT FROM pane.host_home h WHERE h.key = m.key);
END $$;

CREATE VIEW pane.home_view AS
	SELECT format('%s/%s/%s', m.user_name, m.pool_name, m.key) AS id, m.key, m.user_name AS user,
		m.pool_name AS pool, h.name AS host, m.state, m.reason,
		coalesce((SELECT max(x.mib) FROM pane.host_home x WHERE x.key = m.key), 0) AS mib,
		coalesce((SELECT max(x.used_mib) FROM pane.host_home x WHERE x.key = m.key), 0) AS used_mib,
		coalesce((SELECT jsonb_agg(y.name ORDER BY y.name) FROM pane.host_home x
			JOIN pane.host y ON y.id = x.host_id WHERE x.key = m.key), '[]') AS on_hosts,
		(SELECT min(d.name) FROM pane.desktop d WHERE d.home = m.key AND d.state <> 'deleted')
			AS desktop, m.created_at, m.used_at, m.orphan_at
	FROM pane.home m LEFT JOIN pane.host h ON h.id = m.host_id;

CREATE FUNCTION pane.list_homes(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit)
	FROM (SELECT * FROM pane.home_view WHERE id > p_after ORDER BY id LIMIT p_limit + 1) x
$$;

-- ---- what hosts report and are told ----

-- The orders of 009_container.sql with what came since.
CREATE OR REPLACE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT o || jsonb_build_object('images', pane.host_wants(p_host), 'desktops', coalesce((
		SELECT jsonb_agg(x || jsonb_build_object('version', coalesce(nullif(d.image_version,
			'unversioned'), ''), 'account', coalesce(d.account, 'user')) || CASE
			WHEN d.home IS NULL THEN '{}' ELSE jsonb_build_object('home',
			jsonb_build_object('key', d.home, 'mib', coalesce(p.home_mib, 0))) END || CASE
			WHEN d.customize IS NULL THEN '{}' ELSE jsonb_build_object('customize',
			d.customize) END)
		FROM jsonb_array_elements(o -> 'desktops') x
		LEFT JOIN pane.desktop d ON d.id = (x ->> 'id')::uuid
		LEFT JOIN pane.pool p ON p.id = d.pool_id), '[]'),
		'customizations', coalesce((SELECT jsonb_object_agg(c.id, c.body)
			FROM pane.customization c WHERE EXISTS (SELECT FROM pane.desktop d
			WHERE d.customize = c.id AND d.host_id = p_host AND d.state NOT IN ('deleted',
			'requested'))), '{}'),
		'drop_homes', coalesce((SELECT jsonb_agg(m.key ORDER BY m.key) FROM pane.home m
			WHERE m.state = 'deleting' AND (m.host_id = p_host OR EXISTS (SELECT
			FROM pane.host_home x WHERE x.host_id = p_host AND x.key = m.key))), '[]'))
	FROM pane.host_orders(p_host, p_report) o
$$;

CREATE OR REPLACE FUNCTION pane.host_report(p_host uuid, p_report jsonb, p_wait_s integer, p_lost_s integer)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.host_versions(p_host, p_report);
	PERFORM pane.host_boots(p_host, p_report);
	PERFORM pane.host_homes(p_host, p_report);
	RETURN pane.host_observed(p_host, p_report, p_wait_s, p_lost_s);
END $$;

ALTER FUNCTION pane.grant_runtime(text) RENAME TO grant_runtime_versions;
CREATE FUNCTION pane.grant_runtime(p_role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.grant_runtime_versions(p_role);
	IF p_role = current_user THEN
		RETURN;
	END IF;
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pane.customization, pane.home, '
		'pane.host_home TO %I', p_role);
	EXECUTE format('GRANT SELECT ON pane.home_view TO %I', p_role);
	EXECUTE format('REVOKE EXECUTE ON FUNCTION pane.grant_runtime(text) FROM PUBLIC, %I', p_role);
END $$;
