-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Container desktops. A pool chooses how its desktops are isolated, a host says which ways it can
-- run, and the files of a container desktop's user are a home apart from the desktop, kept by one
-- host for each user and pool. A running container cannot be given a home: the assignment orders it
-- to start again with it, under a new epoch, before anybody is let in.

ALTER TYPE pane.isolation ADD VALUE 'container'; -- usable as a value once this is committed

-- What happens to the system (not to the home) when a session has ended. NULL: by assignment.
CREATE TYPE pane.reset_kind AS ENUM ('on_logoff', 'never');
ALTER TABLE pane.pool ADD COLUMN reset pane.reset_kind,
	ADD CONSTRAINT pool_reset_floating CHECK (assignment <> 'floating' OR reset IS DISTINCT FROM 'never'),
	ADD CONSTRAINT pool_reset_vm CHECK (assignment = 'floating' OR isolation::text = 'container'
		OR reset IS DISTINCT FROM 'on_logoff');

CREATE FUNCTION pane.resets(p pane.pool) RETURNS pane.reset_kind LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(p.reset, CASE p.assignment WHEN 'floating' THEN 'on_logoff' ELSE 'never'
		END::pane.reset_kind)
$$;

ALTER TABLE pane.host
	ADD COLUMN vm boolean NOT NULL DEFAULT true, -- can run virtual machines
	ADD COLUMN vm_why text NOT NULL DEFAULT '',
	ADD COLUMN container boolean NOT NULL DEFAULT false,
	ADD COLUMN container_why text NOT NULL DEFAULT '', -- also what a degraded one lacks
	ADD COLUMN limits text NOT NULL DEFAULT '';  -- what holds containers to their share

ALTER TABLE pane.desktop
	ADD COLUMN isolation pane.isolation NOT NULL DEFAULT 'vm',
	ADD COLUMN reset boolean NOT NULL DEFAULT false,
	ADD COLUMN home uuid; -- key of the user's home; NULL while nobody's

-- Where the desktop was: the first one of a user and pool is where the home lies.
ALTER TABLE pane.assignment ADD COLUMN host_id uuid REFERENCES pane.host ON DELETE SET NULL;
CREATE INDEX assignment_home ON pane.assignment (user_id, pool_id, id) WHERE host_id IS NOT NULL;

-- The key names the home on its host; the same whenever the user has a desktop of the pool.
CREATE FUNCTION pane.home_key(p_user uuid, p_pool uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
	SELECT md5(p_user::text || p_pool::text)::uuid
$$;

-- The host that keeps the user's files of a pool, while it answers: lost hosts must not keep
-- people from working (they get an empty home elsewhere, and the old one back with the host).
CREATE FUNCTION pane.home_host(p_user uuid, p_pool uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT h.id FROM pane.pool p, LATERAL (SELECT a.host_id FROM pane.assignment a
		WHERE a.user_id = p_user AND a.pool_id = p.id AND a.host_id IS NOT NULL
		ORDER BY a.id LIMIT 1) first
	JOIN pane.host h ON h.id = first.host_id AND h.online
	WHERE p.id = p_pool AND p.isolation::text = 'container'
$$;

-- Why each host can or cannot take one more desktop of a pool. Memory is what the host owns less
-- what is already ordered there, and what it reports free less what is still starting.
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
		WHEN NOT EXISTS (SELECT FROM pane.host_image i
			WHERE i.host_id = f.id AND i.name = p.image)
			THEN format('host %s: no image %s', f.name, p.image)
		WHEN f.free_mib < p.memory_mib
			THEN format('host %s: needs %s MiB, %s free', f.name, p.memory_mib, f.free_mib)
		WHEN f.disk_free_mib < 64 + p.disk_mib
			THEN format('host %s: needs %s MiB of disk, %s free', f.name, 64 + p.disk_mib,
				f.disk_free_mib)
		END
	FROM free f CROSS JOIN pane.pool p WHERE p.id = p_pool
$$;

-- p_only: no other host will do, as it keeps the user's files.
DROP FUNCTION pane.place_host(uuid);
CREATE FUNCTION pane.place_host(p_pool uuid, p_only uuid DEFAULT NULL, OUT host uuid,
	OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_image text;
BEGIN
	SELECT c.host_id INTO host FROM pane.candidates(p_pool) c WHERE c.why_not IS NULL
		AND (p_only IS NULL OR c.host_id = p_only)
		ORDER BY c.free_mib DESC, c.host_id LIMIT 1;
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
	PERFORM FROM pane.host_image i WHERE i.name = v_image;
	IF NOT FOUND THEN
		reasons := format('no host has image %s', v_image) || reasons;
	END IF;
END $$;

CREATE OR REPLACE FUNCTION pane.place(p_desktop uuid, p_host uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE pane.desktop d SET state = 'cloning', reason = '', want = 'running', host_id = p_host,
		epoch = d.epoch + 1, image = p.image, cpus = p.cpus, memory_mib = p.memory_mib,
		disk_mib = p.disk_mib, isolation = p.isolation,
		reset = pane.resets(p) = 'on_logoff' AND p.isolation::text = 'container',
		home = CASE WHEN p.isolation::text = 'container' AND d.user_id IS NOT NULL
			THEN pane.home_key(d.user_id, p.id) END
	FROM pane.pool p WHERE d.id = p_desktop AND p.id = d.pool_id AND d.state = 'requested';
	UPDATE pane.assignment SET host_id = p_host
		WHERE desktop_id = p_desktop AND released_at IS NULL;
$$;

DROP FUNCTION pane.desktop_create(uuid);
-- Adds one desktop to a pool and places it; NULL with reasons when no host takes it.
CREATE FUNCTION pane.desktop_create(p_pool uuid, p_only uuid DEFAULT NULL, OUT desktop uuid,
	OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_host uuid; v_pool pane.pool; v_n integer; v_assigned integer;
BEGIN
	PERFORM pane.place_lock();
	SELECT * INTO v_pool FROM pane.pool WHERE id = p_pool AND deleted_at IS NULL;
	IF NOT FOUND THEN
		reasons := ARRAY['the pool is being deleted'];
		RETURN;
	END IF;
	v_n := pane.pool_size(p_pool);
	IF v_n >= v_pool.size_max THEN
		SELECT count(*) INTO v_assigned FROM pane.assignment
			WHERE pool_id = p_pool AND released_at IS NULL;
		reasons := ARRAY[format('pool %s is full: %s of %s assigned', v_pool.name, v_assigned,
			v_pool.size_max)] || (SELECT array_agg(format('desktop %s is %s%s', d.name, d.state,
				CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '' END) ORDER BY d.name)
			FROM pane.desktop d WHERE d.pool_id = p_pool AND d.user_id IS NULL
			AND d.state <> 'deleted');
		RETURN;
	END IF;
	SELECT p.host, p.reasons INTO v_host, reasons FROM pane.place_host(p_pool, p_only) p;
	IF v_host IS NULL THEN
		RETURN;
	END IF;
	SELECT min(n) INTO v_n FROM generate_series(1, 20001) n WHERE NOT EXISTS
		(SELECT FROM pane.desktop d WHERE d.name = v_pool.name || '-' || n
		 AND d.state <> 'deleted');
	INSERT INTO pane.desktop (pool_id, name) VALUES (p_pool, v_pool.name || '-' || v_n)
		RETURNING id INTO desktop;
	PERFORM pane.place(desktop, v_host);
END $$;

-- Takes an unassigned desktop of the pool: warm ones first, then those nearest to being so.
CREATE OR REPLACE FUNCTION pane.assign_free(p_user uuid, p_pool uuid, p_states pane.machine_state[])
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v_desktop uuid; v_home uuid := pane.home_host(p_user, p_pool);
BEGIN
	SELECT d.id INTO v_desktop FROM pane.desktop d
		LEFT JOIN pane.host h ON h.id = d.host_id
		WHERE d.pool_id = p_pool AND d.user_id IS NULL AND NOT d.dirty
		AND d.state = ANY (p_states) AND d.want = 'running'
		AND (d.host_id IS NULL OR (h.online AND NOT h.maintenance))
		AND (v_home IS NULL OR d.host_id = v_home)
		ORDER BY d.state DESC, d.since LIMIT 1
		FOR UPDATE OF d SKIP LOCKED;
	IF v_desktop IS NOT NULL THEN
		INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name)
			SELECT v_desktop, p_pool, u.id, u.name FROM pane.users u WHERE u.id = p_user;
	END IF;
	RETURN v_desktop;
END $$;

-- Existing assignment, else warm, else preparing, else a new one. Answers
-- {"desktop","state",...} of desktop_brief, or {"reasons":[...]}, or {"state":"recycling"} when the
-- pool is full but a desktop is on its way back.
CREATE OR REPLACE FUNCTION pane.assign(p_user uuid, p_pool uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_desktop uuid; v_state pane.machine_state; v_dirty boolean; v_kind pane.assignment_kind;
	v_reasons text[]; v_swap uuid;
BEGIN
	SELECT assignment INTO v_kind FROM pane.pool WHERE id = p_pool AND deleted_at IS NULL;
	IF NOT FOUND THEN
		RETURN '{"reasons":["the pool is being deleted"]}'::jsonb;
	END IF;
	-- One attempt of a user on a pool at a time; different users never meet here.
	PERFORM pg_advisory_xact_lock(1885433446, hashtext(p_user::text || p_pool::text));
	SELECT d.id, d.state, d.dirty INTO v_desktop, v_state, v_dirty
		FROM pane.assignment a JOIN pane.desktop d ON d.id = a.desktop_id
		WHERE a.user_id = p_user AND a.pool_id = p_pool AND a.released_at IS NULL;
	IF FOUND THEN
		IF v_kind = 'floating' AND v_state = 'lost' THEN
			PERFORM pane.release(v_desktop, 'host lost');
		ELSIF v_kind = 'floating' AND v_state = 'failed' AND EXISTS (SELECT FROM pane.desktop d
			JOIN pane.host h ON h.id = d.host_id AND h.online WHERE d.pool_id = p_pool
			AND d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) THEN
			PERFORM pane.release(v_desktop, 'failed');
		ELSE
			RETURN pane.desktop_brief(v_desktop);
		END IF;
	END IF;
	v_desktop := coalesce(pane.assign_free(p_user, p_pool, '{ready}'),
		pane.assign_free(p_user, p_pool, '{requested,cloning,booting}'));
	IF v_desktop IS NULL THEN
		SELECT c.desktop, c.reasons INTO v_desktop, v_reasons FROM
			pane.desktop_create(p_pool, pane.home_host(p_user, p_pool)) c;
		IF v_desktop IS NOT NULL THEN
			INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name)
				SELECT v_desktop, p_pool, u.id, u.name FROM pane.users u
				WHERE u.id = p_user;
		END IF;
	END IF;
	IF v_desktop IS NOT NULL THEN
		RETURN pane.desktop_brief(v_desktop);
	END IF;
	-- Somebody may have freed one while we waited for the placement lock.
	v_desktop := pane.assign_free(p_user, p_pool, '{requested,cloning,booting,ready}');
	IF v_desktop IS NOT NULL THEN
		RETURN pane.desktop_brief(v_desktop);
	END IF;
	IF EXISTS (SELECT FROM pane.desktop d JOIN pane.host h ON h.id = d.host_id AND h.online
		WHERE d.pool_id = p_pool AND d.state = 'recycling') THEN
		RETURN jsonb_build_object('state', 'recycling', 'percent', 5);
	END IF;
	RETURN jsonb_build_object('reasons', to_jsonb(v_reasons));
END $$;

-- desktop.user_id follows the assignment, and being a column of the locked row makes
-- SKIP LOCKED re-check it. A container starts again with the home of its user; nobody is in it yet.
CREATE OR REPLACE FUNCTION pane.assignment_mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		UPDATE pane.desktop d SET user_id = NEW.user_id,
			home = CASE WHEN d.isolation::text = 'container'
				THEN pane.home_key(NEW.user_id, NEW.pool_id) END,
			epoch = d.epoch + CASE WHEN d.isolation::text = 'container'
				AND d.state <> 'requested' THEN 1 ELSE 0 END,
			state = CASE WHEN d.isolation::text = 'container' AND d.state = 'ready'
				THEN 'booting' ELSE d.state END
			WHERE d.id = NEW.desktop_id AND user_id IS NULL
			AND (NOT dirty) AND state IN ('requested', 'cloning', 'booting', 'ready', 'suspended');
		IF NOT FOUND THEN
			RAISE EXCEPTION 'desktop % cannot be given to another user', NEW.desktop_id
				USING ERRCODE = 'unique_violation';
		END IF;
		UPDATE pane.assignment a SET host_id = d.host_id FROM pane.desktop d
			WHERE a.id = NEW.id AND d.id = NEW.desktop_id AND d.host_id IS NOT NULL;
	ELSIF NEW.released_at IS NOT NULL AND OLD.released_at IS NULL THEN
		UPDATE pane.desktop SET user_id = NULL WHERE id = NEW.desktop_id;
	END IF;
	RETURN NULL;
END $$;

-- The reporting half of a sync, with what the host says of its ways to isolate.
CREATE FUNCTION pane.host_sync(p_host uuid, p_report jsonb, p_wait_s integer, p_lost_s integer)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_cap jsonb := coalesce(p_report -> 'capacity', '{}');
BEGIN
	UPDATE pane.host h SET vm = n.vm, vm_why = n.vm_why, container = n.container,
		container_why = n.container_why, limits = n.limits
		FROM (SELECT coalesce((v_cap ->> 'vm')::boolean, true) AS vm,
			coalesce(v_cap ->> 'vm_why', '') AS vm_why,
			coalesce((v_cap ->> 'container')::boolean, false) AS container,
			coalesce(v_cap ->> 'container_why', '') AS container_why,
			coalesce(v_cap ->> 'limits', '') AS limits) n
		WHERE h.id = p_host AND (h.vm, h.vm_why, h.container, h.container_why, h.limits)
			IS DISTINCT FROM (n.vm, n.vm_why, n.container, n.container_why, n.limits);
	RETURN pane.host_report(p_host, p_report, p_wait_s, p_lost_s);
END $$;

-- The answering half: the whole desired list, plus an explicit "absent" for reported desktops
-- whose life here is over.
CREATE OR REPLACE FUNCTION pane.host_desired(p_host uuid, p_report jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object(
		'generation', (SELECT generation FROM pane.host_generation WHERE host_id = p_host),
		'now', extract(epoch FROM now())::bigint,
		'desktops', coalesce((SELECT jsonb_agg(x.o) FROM (
			SELECT jsonb_build_object('id', d.id, 'name', d.name, 'epoch', d.epoch,
				'want', d.want, 'image', d.image, 'cpus', d.cpus,
				'memory_mib', d.memory_mib, 'disk_mib', d.disk_mib,
				'isolation', d.isolation, 'reset', d.reset, 'home', CASE WHEN d.home IS NOT NULL
				THEN jsonb_build_object('key', d.home, 'mib', 0) END) AS o
			FROM pane.desktop d WHERE d.host_id = p_host
			AND d.state NOT IN ('deleted', 'requested')
			UNION ALL
			SELECT jsonb_build_object('id', d.id, 'name', d.name,
				'epoch', greatest(d.epoch, (r ->> 'epoch')::bigint), 'want', 'absent',
				'image', d.image, 'cpus', d.cpus, 'memory_mib', d.memory_mib,
				'disk_mib', d.disk_mib, 'isolation', d.isolation)
			FROM jsonb_array_elements(coalesce(p_report -> 'desktops', '[]')) r
			JOIN pane.desktop d ON d.id = (r ->> 'id')::uuid
			WHERE r ->> 'state' <> 'absent' AND (d.state IN ('deleted', 'requested')
				OR d.host_id IS DISTINCT FROM p_host)
		) x), '[]'))
$$;

CREATE OR REPLACE VIEW pane.pool_view AS
	SELECT p.name, p.image, p.cpus, p.memory_mib, p.disk_mib, p.size_max, p.spare, p.assignment,
		p.isolation, p.logoff_after_s, to_jsonb(p.blocked) AS blocked,
		count(d.*) AS desktops,
		count(d.*) FILTER (WHERE d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) AS ready,
		count(d.user_id) AS assigned,
		count(d.*) FILTER (WHERE d.state = 'failed') AS failed,
		pane.resets(p) AS reset
	FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state <> 'deleted'
	WHERE p.deleted_at IS NULL GROUP BY p.id;

CREATE OR REPLACE VIEW pane.desktop_view AS
	SELECT d.name, d.id, p.name AS pool, d.state, d.reason, d.want, d.epoch, h.name AS host,
		u.name AS user, d.dirty, d.image, d.cpus, d.memory_mib, d.retries, d.retry_at,
		d.since, pane.seconds_since(d.since) AS since_s, coalesce(s.state, 'none') AS session,
		d.isolation
	FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id
	LEFT JOIN pane.host h ON h.id = d.host_id LEFT JOIN pane.users u ON u.id = d.user_id
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	WHERE d.state <> 'deleted';

CREATE OR REPLACE VIEW pane.host_view AS
	SELECT h.name, h.id, CASE WHEN h.enrolled_at IS NULL THEN 'created' WHEN h.online THEN 'online'
		WHEN h.last_sync_at IS NULL THEN 'enrolled' ELSE 'lost' END AS state,
		h.address, h.cpus, h.memory_mib, h.memory_free_mib, h.disk_free_mib, h.kvm,
		h.maintenance, h.last_sync_at, pane.seconds_since(h.last_sync_at) AS last_sync_s,
		coalesce((SELECT jsonb_agg(i.name ORDER BY i.name) FROM pane.host_image i
			WHERE i.host_id = h.id), '[]') AS images,
		(SELECT count(*) FROM pane.desktop d WHERE d.host_id = h.id AND d.state <> 'deleted')
			AS desktops,
		h.vm, h.vm_why, h.container, h.container_why, h.limits,
		CASE WHEN h.vm AND h.kvm <> 'none' THEN ARRAY['vm'] ELSE '{}' END
			|| CASE WHEN h.container THEN ARRAY['container'] ELSE '{}' END AS runs
	FROM pane.host h;

CREATE FUNCTION pane.pool_refused(p_error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pane.refuse(400, 'request.invalid', CASE
		WHEN p_error LIKE '%pool_reset_floating%' THEN 'A floating desktop goes to the next user: '
			'its system is always reset on logoff (the user''s home is kept).'
		WHEN p_error LIKE '%pool_reset_vm%' THEN 'Only container desktops can be reset on logoff '
			'and stay with their user; for virtual machines choose floating.'
		ELSE 'spare cannot be more than size_max.' END);
END $$;

CREATE OR REPLACE FUNCTION pane.pool_create(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.pool (name, image, cpus, memory_mib, disk_mib, size_max, spare, assignment,
		isolation, logoff_after_s, reset)
		VALUES (p ->> 'name', p ->> 'image', (p ->> 'cpus')::integer,
			(p ->> 'memory_mib')::integer, coalesce((p ->> 'disk_mib')::integer, 0),
			(p ->> 'size_max')::integer, (p ->> 'spare')::integer,
			(p ->> 'assignment')::pane.assignment_kind,
			coalesce(p ->> 'isolation', 'vm')::pane.isolation,
			coalesce((p ->> 'logoff_after_s')::integer, 3600),
			(p ->> 'reset')::pane.reset_kind)
		ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'pool.exists', format('There is a pool %s already.',
			p ->> 'name'));
	END IF;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_pool(p ->> 'name');
EXCEPTION WHEN check_violation THEN
	PERFORM pane.pool_refused(SQLERRM);
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION pane.pool_update(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_pool(p_name);
BEGIN
	UPDATE pane.pool SET image = coalesce(p ->> 'image', image),
		cpus = coalesce((p ->> 'cpus')::integer, cpus),
		memory_mib = coalesce((p ->> 'memory_mib')::integer, memory_mib),
		disk_mib = coalesce((p ->> 'disk_mib')::integer, disk_mib),
		size_max = coalesce((p ->> 'size_max')::integer, size_max),
		spare = coalesce((p ->> 'spare')::integer, spare),
		logoff_after_s = coalesce((p ->> 'logoff_after_s')::integer, logoff_after_s),
		reset = coalesce((p ->> 'reset')::pane.reset_kind, reset)
		WHERE id = v;
	UPDATE pane.desktop d SET reset = pane.resets(q) = 'on_logoff'
		FROM pane.pool q WHERE q.id = v AND d.pool_id = v AND d.isolation::text = 'container';
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_pool(p_name);
EXCEPTION WHEN check_violation THEN
	PERFORM pane.pool_refused(SQLERRM);
	RETURN NULL;
END $$;
