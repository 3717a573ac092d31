-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Giving people desktops: placement of a machine on a host, and assignment of a machine to a user. Both
-- answer with reasons when they cannot.

-- Passes of the reconciler end before their statement's time is over, whatever is left; the next one goes on at once.
CREATE FUNCTION pane.pass_over() RETURNS boolean LANGUAGE sql VOLATILE AS $$
	SELECT clock_timestamp() > statement_timestamp() + interval '500 ms'
$$;

-- Why each host can or cannot take one more desktop of a pool. Memory is what the host owns less
-- what is already ordered there, and what it reports free less what is still starting. A pool with
-- overcommit counts on its percentage of what the host owns instead, as long as that share of a
-- desktop is really there: of what the host measures, less the same share of those still starting. What
-- clones have in common is there once, and counts as what it takes. What is suspended or off counts with its whole
-- memory: its user may come for it at any moment, and it can go on on its host only. holds: has the version already.
CREATE FUNCTION pane.candidates(p_pool uuid)
RETURNS TABLE (host_id uuid, free_mib bigint, holds boolean, why_not text) LANGUAGE sql STABLE AS $$
	WITH used AS (
		SELECT d.host_id, sum(d.memory_mib) AS placed,
			sum(d.memory_mib) FILTER (WHERE d.state IN ('cloning', 'booting')) AS starting
		FROM pane.desktop d
		WHERE d.host_id IS NOT NULL AND d.state NOT IN ('deleted', 'requested')
		GROUP BY d.host_id
	), free AS (
		SELECT h.*, CASE WHEN p.overcommit > 100
			THEN greatest(0, h.memory_mib * p.overcommit / 100 - coalesce(u.placed, 0))
			ELSE greatest(0, least(h.memory_mib - coalesce(u.placed, 0),
				h.memory_free_mib - coalesce(u.starting, 0))) END::bigint AS free_mib,
			greatest(0, coalesce(h.memory_available_mib, h.memory_free_mib)
				- coalesce(u.starting, 0) * 100 / p.overcommit)::bigint AS left_mib,
			w.host_id IS NOT NULL AS holds, iv.boot IS DISTINCT FROM 'firmware' OR h.firmware AS boots
		FROM pane.host h CROSS JOIN pane.pool p LEFT JOIN used u ON u.host_id = h.id
		CROSS JOIN pane.pool_version(p_pool) AS v (version)
		LEFT JOIN pane.image i ON i.name = p.image
		LEFT JOIN pane.image_version iv ON iv.image_id = i.id AND iv.version = v.version
		LEFT JOIN pane.host_version w ON w.host_id = h.id AND w.name = p.image AND w.version = v.version
			AND w.state = 'present'
		WHERE p.id = p_pool
	)
	SELECT f.id, f.free_mib, f.holds, CASE
		WHEN p.hosts <> '{}' AND NOT f.name = ANY (p.hosts)
			THEN format('host %s: pool %s is kept to %s', f.name, p.name, array_to_string(p.hosts, ', '))
		WHEN f.enrolled_at IS NULL THEN format('host %s: not enrolled yet', f.name)
		WHEN NOT f.online THEN format('host %s: not heard from since %s', f.name,
			coalesce(to_char(f.last_sync_at, 'YYYY-MM-DD HH24:MI:SS TZ'), 'it enrolled'))
		WHEN f.maintenance THEN format('host %s: in maintenance%s', f.name,
			CASE WHEN f.drain_reason <> '' THEN ': ' || f.drain_reason ELSE '' END)
		WHEN p.isolation = 'vm' AND NOT f.vm THEN format('host %s %s', f.name,
			coalesce(nullif(f.vm_why, ''), 'cannot run virtual machines'))
		WHEN p.isolation = 'vm' AND f.kvm = 'none' THEN format('host %s: no KVM', f.name)
		WHEN p.isolation = 'container' AND NOT f.container
			THEN format('host %s cannot run container desktops%s', f.name,
				CASE WHEN f.container_why <> '' THEN ': ' || f.container_why ELSE '' END)
		WHEN NOT (f.holds AND f.boots) AND pane.image_why_not(f.id, f.name, p.image, v.version) IS NOT NULL
			THEN pane.image_why_not(f.id, f.name, p.image, v.version)
		WHEN f.free_mib < p.memory_mib THEN format('host %s: needs %s MiB, %s free%s', f.name,
			p.memory_mib, f.free_mib, CASE WHEN p.overcommit > 100
			THEN format(' of %s %% of its memory', p.overcommit) ELSE '' END)
		WHEN p.overcommit > 100 AND f.left_mib < p.memory_mib * 100 / p.overcommit
			THEN format('host %s: is out of memory: %s MiB are left', f.name, f.left_mib)
		WHEN f.disk_free_mib < 64 + p.disk_mib
			THEN format('host %s: needs %s MiB of disk, %s free', f.name, 64 + p.disk_mib,
				f.disk_free_mib)
		END
	FROM free f CROSS JOIN pane.pool p CROSS JOIN pane.pool_version(p_pool) AS v (version)
	WHERE p.id = p_pool
$$;

-- The host for one more desktop; NULL with reasons when there is none. "spread" takes a host that has
-- the image and then the emptiest one; "pack" the fullest that still has room, so that others can be
-- emptied; both one whose processors
-- were nearly all taken when it last looked (88_usage.sql; what is old counts as nothing) only when there is no other. p_only: no other hosts will do, as these have the user's files.
CREATE FUNCTION pane.place_host(p_pool uuid, p_only uuid[] DEFAULT NULL, OUT host uuid,
	OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_image text; v_placement text;
BEGIN
	SELECT p.image, p.placement INTO v_image, v_placement FROM pane.pool p WHERE p.id = p_pool;
	SELECT c.host_id INTO host FROM pane.candidates(p_pool) c JOIN pane.host h ON h.id = c.host_id
		LEFT JOIN LATERAL (SELECT u.cpu >= 900 * h.cpus AS all_taken FROM pane.usage u WHERE u.of = h.id AND u.step = 1
			AND u.at > now() - interval '3 minutes' ORDER BY u.at DESC LIMIT 1) b ON true
		WHERE c.why_not IS NULL AND (p_only IS NULL OR c.host_id = ANY (p_only))
		ORDER BY coalesce(b.all_taken, false), CASE v_placement WHEN 'pack' THEN c.free_mib END,
			c.holds DESC, c.free_mib DESC, c.host_id LIMIT 1;
	IF host IS NOT NULL THEN
		reasons := '{}';
		RETURN;
	END IF;
	SELECT array_agg(c.why_not ORDER BY c.why_not) INTO reasons FROM pane.candidates(p_pool) c
		WHERE p_only IS NULL OR c.host_id = ANY (p_only);
	IF p_only IS NOT NULL THEN
		reasons := reasons || pane.home_where(p_only);
		RETURN;
	END IF;
	IF reasons IS NULL THEN
		reasons := ARRAY['no host is enrolled: create one and run pane-host enroll on it'];
		RETURN;
	END IF;
	PERFORM FROM pane.image i WHERE i.name = v_image;
	IF NOT FOUND THEN
		reasons := format('no host has image %s', v_image) || reasons;
	ELSIF pane.pool_version(p_pool) IS NULL THEN
		reasons := format('image %s has no version with the tag the pool follows: publish one',
			v_image) || reasons;
	END IF;
END $$;

-- One placement at a time, whichever broker: free memory is then counted once.
CREATE FUNCTION pane.place_lock() RETURNS void LANGUAGE sql AS $$
	SELECT pg_advisory_xact_lock(1885433445, 1)
$$;

CREATE FUNCTION pane.place(p_desktop uuid, p_host uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE pane.desktop d SET state = 'cloning', reason = '', want = 'running', host_id = p_host,
		epoch = d.epoch + 1, image = p.image, cpus = p.cpus, memory_mib = p.memory_mib,
		disk_mib = p.disk_mib,
		image_version = coalesce(nullif(d.pin_version, ''), pane.pool_version(p.id), ''), isolation = p.isolation,
		reset = pane.resets(p) = 'on_logoff' AND p.isolation = 'container',
		home = CASE WHEN pane.keeps_home(p) AND d.user_id IS NOT NULL
			THEN pane.home_key(d.user_id, p.id) END
	FROM pane.pool p WHERE d.id = p_desktop AND p.id = d.pool_id AND d.state = 'requested';
	UPDATE pane.assignment SET host_id = p_host
		WHERE desktop_id = p_desktop AND released_at IS NULL;
$$;

-- Desktops that count against size_max. A floating one on a lost host does not: its pool may
-- replace it at once.
CREATE FUNCTION pane.pool_size(p_pool uuid) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT count(*) FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id
		WHERE d.pool_id = p_pool AND d.state NOT IN ('deleted', 'deleting')
		AND NOT (d.state = 'lost' AND p.assignment = 'floating'));
END $$;

-- Takes an idle spare of another host away, so that a full pool has room where a user's files are.
CREATE FUNCTION pane.spare_give_up(p_pool uuid, p_keep uuid[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT d.id INTO v FROM pane.desktop d WHERE d.pool_id = p_pool AND d.user_id IS NULL
		AND NOT d.dirty AND d.want = 'running' AND (d.host_id = ANY (p_keep)) IS NOT TRUE
		AND d.state IN ('requested', 'cloning', 'booting', 'ready')
		ORDER BY d.state, d.since DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
	RETURN v IS NOT NULL AND pane.machine_remove(v, 'deleting',
		'makes room for a user whose files are on another host');
END $$;

CREATE FUNCTION pane.pool_full(p pane.pool, p_only uuid[]) RETURNS text[] LANGUAGE sql STABLE AS $$
	SELECT ARRAY[format('pool %s is full: %s of %s assigned', p.name, (SELECT count(*)
			FROM pane.assignment WHERE pool_id = p.id AND released_at IS NULL), p.size_max)]
		|| (SELECT array_agg(format('desktop %s is %s%s', d.name, d.state,
			CASE WHEN d.reason <> '' THEN ': ' || d.reason ELSE '' END) ORDER BY d.name)
			FROM pane.desktop d WHERE d.pool_id = p.id AND d.user_id IS NULL
			AND d.state <> 'deleted')
		|| (SELECT ARRAY[x] FROM pane.home_where(p_only) x WHERE x IS NOT NULL)
$$;

-- Adds one desktop to a pool and places it; NULL with reasons when no host takes it. p_only: the
-- hosts that have the user's files.
CREATE FUNCTION pane.desktop_create(p_pool uuid, p_only uuid[] DEFAULT NULL,
	OUT desktop uuid, OUT reasons text[]) LANGUAGE plpgsql AS $$
DECLARE v_host uuid; v_pool pane.pool; v_full boolean;
BEGIN
	PERFORM pane.place_lock();
	SELECT * INTO v_pool FROM pane.pool WHERE id = p_pool AND deleted_at IS NULL;
	IF NOT FOUND THEN
		reasons := ARRAY['the pool is being deleted'];
		RETURN;
	END IF;
	IF NOT pane.pool_may_make(p_pool) THEN
		reasons := ARRAY[pane.pool_stopped_text(p_pool)];
		RETURN;
	END IF;
	v_full := pane.pool_size(p_pool) >= v_pool.size_max;
	IF v_full AND p_only IS NULL THEN
		reasons := pane.pool_full(v_pool, p_only);
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM pane.quota WHERE pool_id = p_pool) THEN
		reasons := pane.quota_pool_why_not(v_pool);
		IF reasons <> '{}' THEN
			RETURN;
		END IF;
	END IF;
	SELECT p.host, p.reasons INTO v_host, reasons FROM pane.place_host(p_pool, p_only) p;
	IF v_host IS NULL THEN
		RETURN;
	END IF;
	IF v_full AND NOT pane.spare_give_up(p_pool, p_only) THEN
		reasons := pane.pool_full(v_pool, p_only);
		RETURN;
	END IF;
	INSERT INTO pane.desktop (pool_id, name) VALUES (p_pool, pane.desktop_next_name(v_pool)) RETURNING id INTO desktop;
	PERFORM pane.place(desktop, v_host);
END $$;

-- How far a starting desktop is, in percent, guessed from its state and how long it has had it.
CREATE FUNCTION pane.percent(p_state pane.machine_state, p_since timestamptz) RETURNS integer
LANGUAGE sql STABLE AS $$
	SELECT CASE p_state WHEN 'requested' THEN 5 WHEN 'recycling' THEN 5 WHEN 'cloning' THEN 15
		WHEN 'booting' THEN least(95, 30 + (extract(epoch FROM now() - p_since) * 2)::integer)
		WHEN 'ready' THEN 100 ELSE 0 END
$$;

-- What a user may be told of their desktop.
CREATE FUNCTION pane.desktop_brief(p_desktop uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', d.id, 'desktop', d.name, 'state', d.state, 'epoch', d.epoch,
		'reason', d.reason, 'host', d.host_id, 'address', h.address,
		'percent', pane.percent(d.state, d.since),
		'host_name', h.name, 'retry_at', d.retry_at)
	FROM pane.desktop d LEFT JOIN pane.host h ON h.id = d.host_id WHERE d.id = p_desktop
$$;

-- Takes an unassigned desktop of the pool: warm ones first, then those nearest to being so.
CREATE FUNCTION pane.assign_free(p_user uuid, p_pool uuid, p_states pane.machine_state[])
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v_desktop uuid; v_home uuid[] := pane.home_hosts(p_user, p_pool);
BEGIN
	SELECT d.id INTO v_desktop FROM pane.desktop d
		LEFT JOIN pane.host h ON h.id = d.host_id
		WHERE d.pool_id = p_pool AND d.user_id IS NULL AND NOT d.dirty
		AND d.state = ANY (p_states) AND d.want = 'running'
		AND (d.host_id IS NULL OR (h.online AND NOT h.maintenance))
		AND (v_home IS NULL OR d.host_id = ANY (v_home))
		ORDER BY d.state DESC, d.since LIMIT 1
		FOR UPDATE OF d SKIP LOCKED;
	IF v_desktop IS NOT NULL THEN
		INSERT INTO pane.assignment (desktop_id, pool_id, user_id, user_name)
			SELECT v_desktop, p_pool, u.id, u.name FROM pane.users u WHERE u.id = p_user;
	END IF;
	RETURN v_desktop;
END $$;

-- A warm desktop that is free but whose row something holds just now: a host's report, or another login that takes
-- it. Such holds are of milliseconds, a boot is not: it is waited for, a little, and asked again whether it is free.
CREATE FUNCTION pane.assign_held(p_user uuid, p_pool uuid) RETURNS uuid LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE v uuid;
BEGIN
	FOR i IN 1 .. 3 LOOP
		SELECT d.id INTO v FROM pane.desktop d JOIN pane.host h ON h.id = d.host_id AND h.online AND NOT h.maintenance
			WHERE d.pool_id = p_pool AND d.user_id IS NULL AND NOT d.dirty AND d.state = 'ready' AND d.want = 'running'
			AND coalesce(d.host_id = ANY (pane.home_hosts(p_user, p_pool)), true)
			ORDER BY hashtext(d.id::text || p_user::text) LIMIT 1; -- each login waits for another
		EXIT WHEN v IS NULL;
		PERFORM FROM pane.desktop WHERE id = v FOR UPDATE;
		v := pane.assign_free(p_user, p_pool, '{ready}');
		EXIT WHEN v IS NOT NULL;
	END LOOP;
	RETURN v;
EXCEPTION WHEN lock_not_available THEN
	RETURN NULL;
END $$;

-- Existing assignment, else warm, else preparing, else a new one. Answers
-- {"desktop","state",...} of desktop_brief, or {"reasons":[...]}, or {"state":"recycling"} when the
-- pool is full but a desktop is on its way back.
CREATE FUNCTION pane.assign(p_user uuid, p_pool uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
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
			IF v_state = 'suspended' THEN
				v_reasons := pane.machine_wanted(v_desktop, p_user, p_pool);
			END IF;
			RETURN CASE WHEN v_reasons <> '{}' THEN jsonb_build_object('reasons', to_jsonb(v_reasons))
				ELSE pane.desktop_brief(v_desktop) END;
		END IF;
	END IF;
	v_reasons := pane.quota_why_not(p_user, p_pool, true);
	IF v_reasons <> '{}' THEN
		RETURN jsonb_build_object('reasons', to_jsonb(v_reasons));
	END IF;
	v_desktop := coalesce(pane.assign_free(p_user, p_pool, '{ready}'), pane.assign_held(p_user, p_pool),
		pane.assign_waiting(p_user, p_pool),
		pane.assign_free(p_user, p_pool, '{requested,cloning,booting}'));
	IF v_desktop IS NULL THEN
		SELECT c.desktop, c.reasons INTO v_desktop, v_reasons FROM
			pane.desktop_create(p_pool, pane.home_hosts(p_user, p_pool)) c;
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

-- What a pool asks of its users beside the entitlement: refused, or {"pool":uuid}. Who has a second factor
-- showed it at the login. p_client: where they come from; NULL: somebody else asks for them, maybe at night.
CREATE FUNCTION pane.pool_open(p_user uuid, p_pool uuid, p_client text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE p record;
BEGIN
	SELECT q.name, q.totp, q.restricted INTO p FROM pane.pool q WHERE q.id = p_pool;
	IF p.totp = 'required' AND NOT pane.has_totp(p_user) THEN
		PERFORM pane.refuse(403, 'totp.enroll', format('Desktops of %s ask for a second factor. Set one up '
			'in the portal (your account), or with pane totp enroll.', p.name));
	END IF;
	IF p.restricted AND p_client IS NOT NULL THEN
		PERFORM pane.access_check(p_user, p_pool, p_client);
	END IF;
	RETURN jsonb_build_object('pool', p_pool);
END $$;

-- Which pool a user means: by pool name, by the name of a desktop they hold, or the only one
-- they have. {"pool":uuid}, {"choose":[names]}, {"unknown":true} or {"none":true}.
CREATE FUNCTION pane.pick_pool(p_user uuid, p_name text, p_client text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_pool uuid; v_names text[];
BEGIN
	IF p_name IS NOT NULL AND p_name <> '' THEN
		SELECT p.id INTO v_pool FROM pane.pool p
			JOIN pane.entitlement e ON e.pool_id = p.id AND e.user_id = p_user
			WHERE p.deleted_at IS NULL AND (p.name = p_name OR EXISTS (
				SELECT FROM pane.desktop d WHERE d.pool_id = p.id AND d.name = p_name
				AND d.user_id = p_user AND d.state <> 'deleted'));
		IF v_pool IS NULL THEN
			RETURN '{"unknown":true}';
		END IF;
		RETURN pane.pool_open(p_user, v_pool, p_client);
	END IF;
	SELECT array_agg(p.name ORDER BY p.name), (array_agg(p.id))[1] INTO v_names, v_pool
		FROM pane.pool p JOIN pane.entitlement e ON e.pool_id = p.id AND e.user_id = p_user
		WHERE p.deleted_at IS NULL;
	IF v_names IS NULL THEN
		RETURN '{"none":true}';
	ELSIF cardinality(v_names) > 1 THEN
		RETURN jsonb_build_object('choose', to_jsonb(v_names));
	END IF;
	RETURN pane.pool_open(p_user, v_pool, p_client);
END $$;
