-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Homes: the files of a user in a pool, apart from every desktop, on one host or on storage that several hosts have. A row names them from the
-- first assignment on; its key is theirs alone, so that a home which is being deleted can never be taken
-- for the next one of the same user. Deletion is an order to the host that holds the files, which obeys
-- unless a machine has them; the row goes when no host reports them any more. A home nobody may use any
-- longer is deleted after the retention time.
--
-- Also what a desktop is told at its first boot: customisation and account.

CREATE FUNCTION pane.resets(p pane.pool) RETURNS pane.reset_kind LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(p.reset, CASE p.assignment WHEN 'floating' THEN 'on_logoff' ELSE 'never'
		END::pane.reset_kind)
$$;

CREATE FUNCTION pane.keeps_home(p pane.pool) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT p.isolation = 'container' OR p.home_mib > 0
$$;

-- The key of the user's home in a pool; a new one where there is none. One call of a user and pool
-- at a time (pane.assign() holds their lock), and the index where not.
CREATE FUNCTION pane.home_key(p_user uuid, p_pool uuid) RETURNS uuid
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

-- The hosts that have the user's files of a pool, as far as they answer: the one that keeps them, and those that share its
-- storage. NULL = any will do: lost hosts must not keep people from working (they get an empty home elsewhere, and the old
-- one back with the host).
CREATE FUNCTION pane.home_hosts(p_user uuid, p_pool uuid) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT array_agg(x.id ORDER BY x.id <> h.id, x.name) FROM pane.home m JOIN pane.pool p ON p.id = m.pool_id
		JOIN pane.host h ON h.id = m.host_id
		JOIN pane.host x ON x.online AND (x.id = h.id OR (h.storage <> '' AND x.storage = h.storage))
		WHERE m.user_id = p_user AND m.pool_id = p_pool AND m.state = 'kept' AND pane.keeps_home(p));
END $$;

-- Where they are, for a person; NULL = nowhere in particular.
CREATE FUNCTION pane.home_where(p_hosts uuid[]) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT 'your files are on host ' || string_agg(h.name, ' and ' ORDER BY h.name) FROM pane.host h WHERE h.id = ANY (p_hosts)
$$;

-- A machine that runs already boots again with the home of whom it was given to; a home begins only where
-- the pool has them. (A container is started again by pane.assignment_mirror().)
CREATE FUNCTION pane.home_attach() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	PERFORM FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id AND p.home_mib > 0
		WHERE d.id = NEW.desktop_id AND d.isolation = 'vm';
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	v := pane.home_key(NEW.user_id, NEW.pool_id);
	UPDATE pane.desktop d SET home = v,
		want = CASE WHEN d.state = 'requested' THEN d.want ELSE 'stopped' END,
		epoch = d.epoch + 1,
		state = CASE WHEN d.state = 'requested' THEN d.state ELSE 'booting' END, suspend = false,
		reason = 'starts with the files of ' || NEW.user_name
		WHERE d.id = NEW.desktop_id AND d.home IS DISTINCT FROM v
		AND d.state IN ('requested', 'cloning', 'booting', 'ready', 'suspended');
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

CREATE FUNCTION pane.home_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.home SET used_at = now(), host_id = CASE WHEN NEW.home IS NULL OR NEW.host_id IS NULL THEN host_id
		WHEN host_id IS NULL OR EXISTS (SELECT FROM pane.host a JOIN pane.host b ON b.storage = a.storage
			WHERE a.id = home.host_id AND b.id = NEW.host_id AND a.storage <> '') THEN NEW.host_id
		ELSE host_id END WHERE key = coalesce(NEW.home, OLD.home);
	RETURN NULL;
END $$;
CREATE TRIGGER home_seen AFTER UPDATE ON pane.desktop FOR EACH ROW
	WHEN ((OLD.home, OLD.host_id) IS DISTINCT FROM (NEW.home, NEW.host_id)
		AND (OLD.home IS NOT NULL OR NEW.home IS NOT NULL))
	EXECUTE FUNCTION pane.home_seen();

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
	IF NOT FOUND AND NOT EXISTS (SELECT FROM pane.host_home WHERE key = p_key) THEN
		PERFORM pane.refuse(404, 'home.unknown', format('There is no home %s.', p_key));
	END IF;
	v_used := pane.home_used(p_key);
	IF v_used IS NOT NULL THEN
		PERFORM pane.refuse(409, 'home.used', format('The home of %s in pool %s is in use. '
			'Release the desktop first.', coalesce(m.user_name, 'nobody'),
			coalesce(m.pool_name, 'none')), v_used);
	END IF;
	-- Left behind: the order to delete it needs a row, which names nobody.
	INSERT INTO pane.home (key, user_name, pool_name, state) SELECT p_key, '', '', 'deleting'
		WHERE m.key IS NULL ON CONFLICT DO NOTHING;
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

CREATE FUNCTION pane.list_homes(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'id', p_limit)
	FROM (SELECT * FROM pane.home_view WHERE id > p_after ORDER BY id LIMIT p_limit + 1) x
$$;

-- The account of a user inside the desktop: what Linux takes, and no name the system has itself.
CREATE FUNCTION pane.account_name(p_user text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN n !~ '^[a-z_]' OR n IN ('root', 'daemon', 'bin', 'sys', 'sync', 'games', 'man',
			'lp', 'mail', 'news', 'uucp', 'proxy', 'backup', 'list', 'irc', 'gnats', 'nobody',
			'sshd', 'messagebus', 'polkitd', 'avahi', 'rtkit', 'colord', 'adm', 'tty', 'disk',
			'sudo', 'audio', 'video', 'input', 'users', 'shadow', 'utmp', 'staff', 'user')
		OR n LIKE 'www-%' OR n LIKE 'systemd-%' THEN left('u-' || n, 32) ELSE n END
	FROM (SELECT left(replace(split_part(p_user, '@', 1), '.', '-'), 32) AS n) x
$$;

-- {} and NULL mean none.
CREATE FUNCTION pane.customization_take(p_body jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid := md5(p_body::text)::uuid;
BEGIN
	IF p_body IS NULL OR p_body = '{}' THEN
		RETURN NULL;
	END IF;
	INSERT INTO pane.customization VALUES (v, p_body) ON CONFLICT DO NOTHING;
	RETURN v;
END $$;

CREATE FUNCTION pane.own_accounts(p_customize uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT body ->> 'account' = 'assigned' FROM pane.customization
		WHERE id = p_customize), false)
$$;

-- A desktop takes its pool's customisation when it is placed. Where each user gets an account of
-- their own name, one that runs already starts again with it, and is nobody else's afterwards
-- (dirty). Before desktop_guard and desktop_order, which see what is changed here.
CREATE FUNCTION pane.desktop_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.state = 'requested' AND NEW.state = 'cloning' THEN
		SELECT customize INTO NEW.customize FROM pane.pool WHERE id = NEW.pool_id;
	ELSIF OLD.user_id IS NOT DISTINCT FROM NEW.user_id OR NEW.state = 'requested' THEN
		RETURN NEW;
	END IF;
	IF NOT pane.own_accounts(NEW.customize) THEN
		NEW.account := 'user';
		RETURN NEW;
	ELSIF NEW.user_id IS NULL THEN
		IF OLD.state = 'requested' THEN
			NEW.account := '';
		END IF;
		RETURN NEW;
	END IF;
	SELECT pane.account_name(u.name) INTO NEW.account FROM pane.users u WHERE u.id = NEW.user_id;
	NEW.dirty := true;
	IF NEW.isolation = 'vm' AND OLD.state IN ('cloning', 'booting', 'ready') THEN
		NEW.want := 'stopped';
		NEW.epoch := NEW.epoch + 1;
		NEW.state := 'booting';
		NEW.reason := 'starts with the account ' || NEW.account;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_account BEFORE UPDATE ON pane.desktop
	FOR EACH ROW EXECUTE FUNCTION pane.desktop_account();

-- The tombstone of a desktop keeps no customisation alive.
CREATE FUNCTION pane.customize_drop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.customize := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER customize_drop BEFORE UPDATE ON pane.desktop FOR EACH ROW
	WHEN (NEW.state = 'deleted' AND NEW.customize IS NOT NULL) EXECUTE FUNCTION pane.customize_drop();
