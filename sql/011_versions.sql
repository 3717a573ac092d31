-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Pools and versions: which version a desktop is placed with, rollouts that bring existing desktops
-- to another one, and home disks of virtual machines. A home belongs to a user and a pool and lies
-- on one host (009_container.sql), so a user who has one is given desktops there.

ALTER TABLE pane.pool ADD COLUMN home_mib integer NOT NULL DEFAULT 0
	CHECK (home_mib BETWEEN 0 AND 16777216);

CREATE FUNCTION pane.keeps_home(p pane.pool) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT p.isolation::text = 'container' OR p.home_mib > 0
$$;

CREATE OR REPLACE FUNCTION pane.home_host(p_user uuid, p_pool uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT h.id FROM pane.pool p, LATERAL (SELECT a.host_id FROM pane.assignment a
		WHERE a.user_id = p_user AND a.pool_id = p.id AND a.host_id IS NOT NULL
		ORDER BY a.id LIMIT 1) first
	JOIN pane.host h ON h.id = first.host_id AND h.online
	WHERE p.id = p_pool AND pane.keeps_home(p)
$$;

-- A machine that runs already boots again with the home of whom it was given to. (A container is
-- started again by pane.assignment_mirror().)
CREATE FUNCTION pane.home_attach() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.desktop d SET home = pane.home_key(NEW.user_id, NEW.pool_id),
		want = CASE WHEN d.state = 'requested' THEN d.want ELSE 'stopped' END,
		epoch = d.epoch + 1,
		state = CASE WHEN d.state = 'requested' THEN d.state ELSE 'booting' END,
		reason = 'starts with the files of ' || NEW.user_name
		FROM pane.pool p WHERE d.id = NEW.desktop_id AND p.id = d.pool_id
		AND d.isolation::text = 'vm' AND p.home_mib > 0
		AND d.home IS DISTINCT FROM pane.home_key(NEW.user_id, NEW.pool_id)
		AND d.state IN ('requested', 'cloning', 'booting', 'ready');
	RETURN NULL;
END $$;
CREATE TRIGGER home_attach AFTER INSERT ON pane.assignment
	FOR EACH ROW EXECUTE FUNCTION pane.home_attach();

-- A machine that goes back to nobody leaves the home behind.
CREATE FUNCTION pane.home_detach() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.home := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER home_detach BEFORE UPDATE ON pane.desktop FOR EACH ROW
	WHEN (NEW.state IN ('requested', 'deleted') AND NEW.user_id IS NULL AND OLD.home IS NOT NULL)
	EXECUTE FUNCTION pane.home_detach();

-- ---- placement ----

CREATE FUNCTION pane.host_holds(p_host uuid, p_pool uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pane.host_version h JOIN pane.pool p ON p.image = h.name
		WHERE h.host_id = p_host AND p.id = p_pool AND h.state = 'present'
		AND h.version = pane.pool_version(p_pool))
$$;

CREATE OR REPLACE FUNCTION pane.candidates(p_pool uuid)
RETURNS TABLE (host_id uuid, free_mib bigint, why_not text) LANGUAGE sql STABLE AS $$
	WITH used AS (
		SELECT d.host_id, sum(d.memory_mib) AS placed,
			sum(d.memory_mib) FILTER (WHERE d.state IN ('cloning', 'booting')) AS starting
		FROM pane.desktop d
		WHERE d.host_id IS NOT NULL AND d.state NOT IN ('deleted', 'requested')
		GROUP BY d.host_id
	), free AS (
		SELECT h.*, greatest(0, least(h.memory_mib - coalesce(u.placed, 0),
			h.memory_free_mib - coalesce(u.starting, 0)))::bigint AS free_mib
		FROM pane.host h LEFT JOIN used u ON u.host_id = h.id
	)
	SELECT f.id, f.free_mib, CASE
		WHEN f.enrolled_at IS NULL THEN format('host %s: not enrolled yet', f.name)
		WHEN NOT f.online THEN format('host %s: not heard from since %s', f.name,
			coalesce(to_char(f.last_sync_at, 'YYYY-MM-DD HH24:MI:SS TZ'), 'it enrolled'))
		WHEN f.maintenance THEN format('host %s: in maintenance', f.name)
		WHEN p.isolation::text = 'vm' AND NOT f.vm THEN format('host %s %s', f.name,
			coalesce(nullif(f.vm_why, ''), 'cannot run virtual machines'))
		WHEN p.isolation::text = 'vm' AND f.kvm = 'none' THEN format('host %s: no KVM', f.name)
		WHEN p.isolation::text = 'container' AND NOT f.container
			THEN format('host %s cannot run container desktops%s', f.name,
				CASE WHEN f.container_why <> '' THEN ': ' || f.container_why ELSE '' END)
		WHEN pane.image_why_not(f.id, f.name, p.image, v.version) IS NOT NULL
			THEN pane.image_why_not(f.id, f.name, p.image, v.version)
		WHEN f.free_mib < p.memory_mib
			THEN format('host %s: needs %s MiB, %s free', f.name, p.memory_mib, f.free_mib)
		WHEN f.disk_free_mib < 64 + p.disk_mib
			THEN format('host %s: needs %s MiB of disk, %s free', f.name, 64 + p.disk_mib,
				f.disk_free_mib)
		END
	FROM free f CROSS JOIN pane.pool p CROSS JOIN pane.pool_version(p_pool) AS v (version)
	WHERE p.id = p_pool
$$;

CREATE OR REPLACE FUNCTION pane.place_host(p_pool uuid, p_only uuid DEFAULT NULL, OUT host uuid,
	OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_image text;
BEGIN
	SELECT c.host_id INTO host FROM pane.candidates(p_pool) c WHERE c.why_not IS NULL
		AND (p_only IS NULL OR c.host_id = p_only)
		ORDER BY pane.host_holds(c.host_id, p_pool) DESC, c.free_mib DESC, c.host_id LIMIT 1;
	IF host IS NOT NULL THEN
		reasons := '{}';
		RETURN;
	END IF;
	SELECT array_agg(c.why_not ORDER BY c.why_not) INTO reasons FROM pane.candidates(p_pool) c
		WHERE p_only IS NULL OR c.host_id = p_only;
	IF p_only IS NOT NULL THEN
		reasons := reasons || format('your files are on host %s',
			(SELECT h.name FROM pane.host h WHERE h.id = p_only));
		RETURN;
	END IF;
	IF reasons IS NULL THEN
		reasons := ARRAY['no host is enrolled: create one and run pane-host enroll on it'];
		RETURN;
	END IF;
	SELECT p.image INTO v_image FROM pane.pool p WHERE p.id = p_pool;
	PERFORM FROM pane.image i WHERE i.name = v_image;
	IF NOT FOUND THEN
		reasons := format('no host has image %s', v_image) || reasons;
	ELSIF pane.pool_version(p_pool) IS NULL THEN
		reasons := format('image %s has no version with the tag the pool follows: publish one',
			v_image) || reasons;
	END IF;
END $$;

CREATE OR REPLACE FUNCTION pane.place(p_desktop uuid, p_host uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE pane.desktop d SET state = 'cloning', reason = '', want = 'running', host_id = p_host,
		epoch = d.epoch + 1, image = p.image, cpus = p.cpus, memory_mib = p.memory_mib,
		disk_mib = p.disk_mib,
		image_version = coalesce(nullif(d.pin_version, ''), pane.pool_version(p.id), ''), isolation = p.isolation,
		reset = pane.resets(p) = 'on_logoff' AND p.isolation::text = 'container',
		home = CASE WHEN pane.keeps_home(p) AND d.user_id IS NOT NULL
			THEN pane.home_key(d.user_id, p.id) END
	FROM pane.pool p WHERE d.id = p_desktop AND p.id = d.pool_id AND d.state = 'requested';
	UPDATE pane.assignment SET host_id = p_host
		WHERE desktop_id = p_desktop AND released_at IS NULL;
$$;

CREATE OR REPLACE FUNCTION pane.rec_pools() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE d record; p pane.pool; n integer := 0; v_host uuid; v_reasons text[]; v_spare integer;
	v_id uuid;
BEGIN
	IF NOT pg_try_advisory_xact_lock(1885433445, 1) THEN
		RETURN 0; -- somebody is placing; their work is seen next time
	END IF;
	FOR d IN SELECT x.id, x.pool_id, x.user_id, x.reason FROM pane.desktop x JOIN pane.pool q ON q.id = x.pool_id
		WHERE x.state = 'requested' AND q.deleted_at IS NULL
		ORDER BY x.user_id IS NULL, x.since LIMIT 50 FOR UPDATE OF x SKIP LOCKED
	LOOP
		SELECT host, reasons INTO v_host, v_reasons FROM pane.place_host(d.pool_id,
			pane.home_host(d.user_id, d.pool_id));
		IF v_host IS NOT NULL THEN
			PERFORM pane.place(d.id, v_host);
			n := n + 1;
		ELSIF d.reason <> array_to_string(v_reasons, '; ') THEN
			UPDATE pane.desktop SET reason = array_to_string(v_reasons, '; ') WHERE id = d.id;
		END IF;
	END LOOP;
	FOR p IN SELECT * FROM pane.pool WHERE deleted_at IS NULL ORDER BY id LOOP
		SELECT count(*) INTO v_spare FROM pane.desktop x WHERE x.pool_id = p.id
			AND x.user_id IS NULL AND x.state NOT IN ('deleted', 'deleting', 'lost');
		v_reasons := '{}';
		WHILE v_spare < p.spare AND pane.pool_size(p.id) < p.size_max LOOP
			SELECT c.desktop, c.reasons INTO v_id, v_reasons FROM pane.desktop_create(p.id) c;
			EXIT WHEN v_id IS NULL;
			v_spare := v_spare + 1;
			n := n + 1;
		END LOOP;
		UPDATE pane.pool SET blocked = coalesce(v_reasons, '{}')
			WHERE id = p.id AND blocked IS DISTINCT FROM coalesce(v_reasons, '{}');
		-- Idle surplus goes; the newest first.
		FOR d IN SELECT x.id FROM pane.desktop x WHERE x.pool_id = p.id AND x.user_id IS NULL
			AND NOT x.dirty AND x.state IN ('requested', 'ready')
			AND (x.state = 'requested' OR x.since < now() - interval '5 minutes')
			ORDER BY x.state, x.since DESC LIMIT greatest(0, v_spare - p.spare)
			FOR UPDATE SKIP LOCKED
		LOOP
			PERFORM pane.machine_remove(d.id, 'deleting', 'surplus');
			n := n + 1;
		END LOOP;
	END LOOP;
	FOR d IN SELECT x.id FROM pane.desktop x JOIN pane.pool q ON q.id = x.pool_id
		WHERE q.deleted_at IS NOT NULL AND x.state NOT IN ('deleted', 'deleting', 'lost')
		ORDER BY x.id LIMIT 200 FOR UPDATE OF x SKIP LOCKED
	LOOP
		PERFORM pane.machine_remove(d.id, 'deleting', 'pool deleted');
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;

-- What hosts report and are told, beside what 004_host.sql and 009_container.sql have.
ALTER FUNCTION pane.host_report(uuid, jsonb, integer, integer) RENAME TO host_observed;
CREATE FUNCTION pane.host_report(p_host uuid, p_report jsonb, p_wait_s integer, p_lost_s integer)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.host_versions(p_host, p_report);
	RETURN pane.host_observed(p_host, p_report, p_wait_s, p_lost_s);
END $$;

ALTER FUNCTION pane.host_desired(uuid, jsonb) RENAME TO host_orders;
CREATE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT o || jsonb_build_object('images', pane.host_wants(p_host), 'desktops', coalesce((
		SELECT jsonb_agg(x || jsonb_build_object('version', coalesce(nullif(d.image_version,
			'unversioned'), '')) || CASE WHEN d.home IS NULL THEN '{}' ELSE jsonb_build_object(
			'home', jsonb_build_object('key', d.home, 'mib', coalesce(p.home_mib, 0))) END)
		FROM jsonb_array_elements(o -> 'desktops') x
		LEFT JOIN pane.desktop d ON d.id = (x ->> 'id')::uuid
		LEFT JOIN pane.pool p ON p.id = d.pool_id), '[]'))
	FROM pane.host_orders(p_host, p_report) o
$$;

-- ---- rollouts ----

CREATE TYPE pane.rollout_state AS ENUM ('running', 'paused', 'stopped', 'failed', 'done');
CREATE TYPE pane.rollout_step AS ENUM ('waiting', 'updating', 'done', 'failed');

CREATE TABLE pane.rollout (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	version text NOT NULL,
	state pane.rollout_state NOT NULL DEFAULT 'running',
	reason text NOT NULL DEFAULT '',
	pinned boolean NOT NULL,               -- not the version of the pool's tag
	canary integer CHECK (canary > 0),
	parallel integer NOT NULL DEFAULT 2 CHECK (parallel BETWEEN 1 AND 1000),
	continue_on_error boolean NOT NULL DEFAULT false,
	force_at timestamptz,
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz
);
CREATE UNIQUE INDEX rollout_active ON pane.rollout (pool_id) WHERE state IN ('running', 'paused');

CREATE TABLE pane.rollout_desktop (
	rollout_id bigint NOT NULL REFERENCES pane.rollout ON DELETE CASCADE,
	desktop_id uuid NOT NULL REFERENCES pane.desktop ON DELETE CASCADE,
	name text NOT NULL,
	state pane.rollout_step NOT NULL DEFAULT 'waiting',
	reason text NOT NULL DEFAULT '',
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (rollout_id, desktop_id)
);

CREATE FUNCTION pane.rollout_json(p_pool uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('version', r.version, 'state', r.state, 'reason', r.reason,
		'canary', r.canary, 'parallel', r.parallel, 'continue_on_error', r.continue_on_error,
		'force_at', r.force_at, 'created_by', r.created_by, 'created_at', r.created_at,
		'ended_at', r.ended_at,
		'total', count(x.*), 'done', count(x.*) FILTER (WHERE x.state = 'done'),
		'failed', count(x.*) FILTER (WHERE x.state = 'failed'),
		'percent', CASE WHEN count(x.*) = 0 THEN 100 ELSE 100 * count(x.*) FILTER
			(WHERE x.state = 'done') / count(x.*) END,
		'desktops', coalesce(jsonb_agg(jsonb_build_object('desktop', x.name, 'state', x.state,
			'reason', x.reason, 'since', x.since) ORDER BY x.name)
			FILTER (WHERE x.name IS NOT NULL), '[]'))
	FROM pane.rollout r LEFT JOIN pane.rollout_desktop x ON x.rollout_id = r.id
	WHERE r.id = (SELECT max(id) FROM pane.rollout WHERE pool_id = p_pool) GROUP BY r.id
$$;

CREATE FUNCTION pane.get_rollout(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.rollout_json(p.id)::text FROM pane.pool p
	WHERE p.name = p_name AND p.deleted_at IS NULL
$$;

-- What must hold before desktops of a pool may be taken to a version.
CREATE FUNCTION pane.rollout_check(p pane.pool, p_version text, p_force boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF p_version IS NULL THEN
		PERFORM pane.refuse(409, 'rollout.version', format('Image %s has no version tagged %s: '
			'publish one first.', p.image, p.image_tag));
	END IF;
	PERFORM FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
		WHERE i.name = p.image AND v.version = p_version AND v.state = 'ready';
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'rollout.version', format('Image %s has no ready version %s.',
			p.image, p_version));
	END IF;
	PERFORM FROM pane.rollout WHERE pool_id = p.id AND state IN ('running', 'paused');
	IF FOUND THEN
		PERFORM pane.refuse(409, 'rollout.running', format('Pool %s is being updated already. '
			'Stop that first.', p.name));
	END IF;
	IF p.assignment = 'dedicated' AND NOT pane.keeps_home(p) AND NOT p_force THEN
		PERFORM pane.refuse(409, 'rollout.disks', format('Desktops of pool %s are kept by their '
			'users and have no home disk of their own: an update erases what is on them. '
			'Force it to do so.', p.name));
	END IF;
END $$;

CREATE FUNCTION pane.rollout_start(p_name text, o jsonb, p_by text, p_force boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE p pane.pool; v_pool uuid := pane.need_pool(p_name); v_id bigint; v_target text; v_tagged text;
BEGIN
	SELECT * INTO p FROM pane.pool WHERE id = v_pool;
	v_tagged := pane.pool_version(v_pool);
	v_target := coalesce(o ->> 'version', v_tagged);
	PERFORM pane.rollout_check(p, v_target, p_force);
	INSERT INTO pane.rollout (pool_id, version, pinned, canary, parallel, continue_on_error,
		force_at, created_by) VALUES (v_pool, v_target, v_target IS DISTINCT FROM v_tagged,
		(o ->> 'canary')::integer, coalesce((o ->> 'parallel')::integer, 2),
		coalesce((o ->> 'continue_on_error')::boolean, false),
		(o ->> 'force_at')::timestamptz, p_by) RETURNING id INTO v_id;
	INSERT INTO pane.rollout_desktop (rollout_id, desktop_id, name)
		SELECT v_id, d.id, d.name FROM pane.desktop d WHERE d.pool_id = v_pool
		AND d.state NOT IN ('deleted', 'deleting', 'requested') AND d.image_version <> v_target
		ORDER BY d.user_id IS NOT NULL, d.name LIMIT (o ->> 'canary')::integer;
	IF v_target IS NOT DISTINCT FROM v_tagged AND o ->> 'canary' IS NULL THEN
		UPDATE pane.desktop SET pin_version = '' WHERE pool_id = v_pool AND pin_version <> '';
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_rollout(p_name);
END $$;

-- p_to: paused, running (again, failed desktops too) or stopped.
CREATE FUNCTION pane.rollout_change(p_name text, p_to text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_name); r pane.rollout;
BEGIN
	SELECT * INTO r FROM pane.rollout WHERE id = (SELECT max(id) FROM pane.rollout
		WHERE pool_id = v_pool) FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'rollout.unknown', format('Pool %s is not being updated.',
			p_name));
	END IF;
	IF (p_to = 'paused' AND r.state <> 'running') OR r.state IN ('done', 'stopped')
		OR (p_to = 'running' AND r.state NOT IN ('paused', 'failed')) THEN
		PERFORM pane.refuse(409, 'rollout.state', format('The update of pool %s is %s.', p_name,
			r.state));
	END IF;
	UPDATE pane.rollout SET state = p_to::pane.rollout_state, reason = '',
		ended_at = CASE WHEN p_to = 'stopped' THEN now() END WHERE id = r.id;
	IF p_to = 'running' THEN
		UPDATE pane.rollout_desktop SET state = 'waiting', reason = '', since = now()
			WHERE rollout_id = r.id AND state = 'failed';
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_rollout(p_name);
END $$;

-- How one desktop of a rollout stands.
CREATE FUNCTION pane.rollout_look(r pane.rollout, x pane.rollout_desktop) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; v_to pane.rollout_step; v_reason text := '';
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = x.desktop_id;
	IF NOT FOUND OR d.state IN ('deleted', 'deleting') OR d.pool_id IS DISTINCT FROM r.pool_id THEN
		v_to := 'done';
		v_reason := 'deleted meanwhile';
	ELSIF d.image_version = r.version AND d.state = 'ready' THEN
		v_to := 'done';
	ELSIF x.state = 'updating' AND d.state = 'failed' THEN
		v_to := 'failed';
		v_reason := d.reason;
	ELSIF x.state = 'updating' AND x.since < now() - interval '15 minutes' THEN
		v_to := 'failed';
		v_reason := format('not ready after 15 minutes, it is %s: %s', d.state, d.reason);
	ELSIF d.image_version = r.version AND d.state IN ('cloning', 'booting') THEN
		v_to := 'updating';
	END IF;
	IF v_to IS NULL OR v_to = x.state THEN
		RETURN 0;
	END IF;
	UPDATE pane.rollout_desktop SET state = v_to, reason = v_reason, since = now()
		WHERE rollout_id = x.rollout_id AND desktop_id = x.desktop_id;
	RETURN 1;
END $$;

-- Takes one desktop down to come back with the new version, if that may be now.
CREATE FUNCTION pane.rollout_take(r pane.rollout, p_desktop uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE d pane.desktop; v_kind pane.assignment_kind; v_forced boolean := r.force_at <= now();
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = p_desktop
		AND state IN ('cloning', 'booting', 'ready', 'suspended', 'failed')
		FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF d.user_id IS NOT NULL AND v_forced IS NOT TRUE THEN
		PERFORM FROM pane.session WHERE desktop_id = d.id AND state <> 'ended';
		IF FOUND THEN
			RETURN false; -- until the user logs off
		END IF;
		PERFORM FROM pane.assignment WHERE desktop_id = d.id AND released_at IS NULL
			AND created_at > now() - interval '1 minute';
		IF FOUND THEN
			RETURN false; -- on their way in
		END IF;
	END IF;
	SELECT assignment INTO v_kind FROM pane.pool WHERE id = d.pool_id;
	UPDATE pane.desktop SET pin_version = CASE WHEN r.pinned THEN r.version ELSE '' END
		WHERE id = d.id;
	IF v_kind = 'floating' AND d.user_id IS NOT NULL THEN
		PERFORM pane.release(d.id, 'image update');
	ELSE
		UPDATE pane.session SET state = 'ended', reason = 'image update'
			WHERE desktop_id = d.id AND state <> 'ended';
	END IF;
	PERFORM FROM pane.desktop WHERE id = d.id AND state = 'recycling';
	RETURN FOUND OR pane.machine_remove(d.id, 'recycling', 'image update to ' || r.version);
END $$;

CREATE FUNCTION pane.rollout_advance(r pane.rollout) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE x pane.rollout_desktop; n integer := 0; v_busy integer; v_failed record;
BEGIN
	FOR x IN SELECT * FROM pane.rollout_desktop WHERE rollout_id = r.id
		AND state IN ('waiting', 'updating') ORDER BY name
	LOOP
		n := n + pane.rollout_look(r, x);
	END LOOP;
	SELECT count(*) AS n, min(name || ': ' || reason) AS first INTO v_failed
		FROM pane.rollout_desktop WHERE rollout_id = r.id AND state = 'failed';
	IF v_failed.n > 0 AND NOT r.continue_on_error THEN
		UPDATE pane.rollout SET state = 'failed', reason = v_failed.first, ended_at = now()
			WHERE id = r.id;
		RETURN n + 1;
	END IF;
	SELECT count(*) INTO v_busy FROM pane.rollout_desktop WHERE rollout_id = r.id
		AND state = 'updating';
	FOR x IN SELECT * FROM pane.rollout_desktop WHERE rollout_id = r.id AND state = 'waiting'
		ORDER BY name
	LOOP
		EXIT WHEN v_busy >= r.parallel;
		IF pane.rollout_take(r, x.desktop_id) THEN
			UPDATE pane.rollout_desktop SET state = 'updating', since = now()
				WHERE rollout_id = r.id AND desktop_id = x.desktop_id;
			v_busy := v_busy + 1;
			n := n + 1;
		END IF;
	END LOOP;
	PERFORM FROM pane.rollout_desktop WHERE rollout_id = r.id AND state IN ('waiting', 'updating');
	IF NOT FOUND THEN
		UPDATE pane.rollout SET state = 'done', ended_at = now(), reason = CASE WHEN
			v_failed.n > 0 THEN format('%s failed, first %s', v_failed.n, v_failed.first)
			ELSE '' END WHERE id = r.id;
		n := n + 1;
	END IF;
	RETURN n;
END $$;

CREATE FUNCTION pane.rec_rollouts() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r pane.rollout; n integer := 0;
BEGIN
	FOR r IN SELECT * FROM pane.rollout WHERE state = 'running' ORDER BY id FOR UPDATE SKIP LOCKED
	LOOP
		n := n + pane.rollout_advance(r);
	END LOOP;
	RETURN n;
END $$;

-- ---- what the API shows ----

CREATE OR REPLACE FUNCTION pane.get_pool(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('rollout', pane.rollout_json(p.id), 'versions',
		(SELECT coalesce(jsonb_object_agg(v.image_version, v.n), '{}') FROM (
			SELECT d.image_version, count(*) AS n FROM pane.desktop d WHERE d.pool_id = p.id
			AND d.state NOT IN ('deleted', 'requested') GROUP BY 1) v)))::text
	FROM pane.pool_view x JOIN pane.pool p ON p.name = x.name AND p.deleted_at IS NULL
	WHERE x.name = p_name
$$;

CREATE OR REPLACE VIEW pane.pool_view AS
	SELECT p.name, p.image, p.cpus, p.memory_mib, p.disk_mib, p.size_max, p.spare, p.assignment,
		p.isolation, p.logoff_after_s, to_jsonb(p.blocked) AS blocked,
		count(d.*) AS desktops,
		count(d.*) FILTER (WHERE d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) AS ready,
		count(d.user_id) AS assigned,
		count(d.*) FILTER (WHERE d.state = 'failed') AS failed,
		pane.resets(p) AS reset, p.image_tag, pane.pool_version(p.id) AS image_version, p.home_mib
	FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state <> 'deleted'
	WHERE p.deleted_at IS NULL GROUP BY p.id;

CREATE OR REPLACE VIEW pane.desktop_view AS
	SELECT d.name, d.id, p.name AS pool, d.state, d.reason, d.want, d.epoch, h.name AS host,
		u.name AS user, d.dirty, d.image, d.cpus, d.memory_mib, d.retries, d.retry_at,
		d.since, pane.seconds_since(d.since) AS since_s, coalesce(s.state, 'none') AS session,
		d.isolation, d.image_version
	FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id
	LEFT JOIN pane.host h ON h.id = d.host_id LEFT JOIN pane.users u ON u.id = d.user_id
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	WHERE d.state <> 'deleted';

-- Fields of a pool that came with images, beside those of pane.pool_create() and pool_update().
CREATE FUNCTION pane.pool_images(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.pool SET image_tag = coalesce(p ->> 'image_tag', image_tag),
		home_mib = coalesce((p ->> 'home_mib')::integer, home_mib)
		WHERE name = p_name AND deleted_at IS NULL;
	RETURN pane.get_pool(p_name);
END $$;

ALTER FUNCTION pane.grant_runtime(text) RENAME TO grant_runtime_base;
CREATE FUNCTION pane.grant_runtime(p_role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.grant_runtime_base(p_role);
	IF p_role = current_user THEN
		RETURN;
	END IF;
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pane.image, pane.image_version, '
		'pane.image_tag, pane.image_tag_move, pane.host_version, pane.rollout, '
		'pane.rollout_desktop TO %I', p_role);
	EXECUTE format('GRANT SELECT ON pane.image_transition, pane.image_version_view TO %I', p_role);
	EXECUTE format('REVOKE EXECUTE ON FUNCTION pane.grant_runtime(text) FROM PUBLIC, %I', p_role);
END $$;
