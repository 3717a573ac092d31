-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- People: users, groups and what groups entitle them to; leavers and the bin; import. A member of a group
-- entitled to a dedicated pool gets the desktop before the first login. What a leaver or mover leaves behind
-- lies in the bin, stopped, until its time is over.

CREATE FUNCTION pane.need_user(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.users WHERE name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'user.unknown', format('There is no user %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.get_user(p_name text) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT (to_jsonb(x) || jsonb_build_object('roles', pane.roles_of(x.name)))::text FROM pane.user_view x WHERE name = p_name $$;

CREATE FUNCTION pane.list_users(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.user_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

-- A user whose password nobody knows: a welcome token sets it.
CREATE FUNCTION pane.user_add(p_name text, p_password text, p_role text, p_full text, p_email text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.users (name, password, role, full_name, email) VALUES (p_name,
		coalesce(p_password, '$argon2id$none'), p_role::pane.role, coalesce(p_full, ''),
		coalesce(p_email, '')) ON CONFLICT (name) DO NOTHING;
	IF NOT FOUND THEN
		PERFORM FROM pane.users WHERE name = p_name AND deleted_at IS NOT NULL;
		PERFORM pane.refuse(409, 'user.exists', CASE WHEN FOUND
			THEN format('User %s is in the bin: restore it, or delete it for good.', p_name)
			ELSE format('There is a user %s already.', p_name) END);
	END IF;
	RETURN pane.get_user(p_name);
END $$;

-- Creates an administrator, or makes the existing user one with this password: the way back in.
CREATE FUNCTION pane.admin_reset(p_name text, p_password text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.users (name, password, role) VALUES (p_name, p_password, 'admin')
		ON CONFLICT (name) DO UPDATE SET password = p_password, role = 'admin',
			disabled = false, origin = 'local';
	DELETE FROM pane.totp t USING pane.users u WHERE u.id = t.user_id AND u.name = p_name;
	DELETE FROM pane.token t USING pane.users u WHERE u.id = t.user_id AND u.name = p_name;
	INSERT INTO pane.audit (actor, action, object, outcome)
		VALUES ('console', 'admin.reset', p_name, 'ok');
END $$;

CREATE FUNCTION pane.last_admin_check() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.users WHERE role = 'admin' AND NOT disabled;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'user.last_admin', 'This is the last enabled administrator. '
			'Make another one first.');
	END IF;
END $$;

-- NULL leaves a field alone. A new password or a disabled account ends its tokens.
CREATE FUNCTION pane.user_update(p_name text, p_password text, p_role text, p_disabled boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name);
BEGIN
	IF p_password IS NOT NULL THEN
		PERFORM pane.local_only(p_name, 'their password is changed there');
	END IF;
	PERFORM pg_advisory_xact_lock(1885433447, 1); -- two admins cannot demote each other at once
	UPDATE pane.users SET password = coalesce(p_password, password),
		role = coalesce(p_role::pane.role, role), disabled = coalesce(p_disabled, disabled)
		WHERE id = v;
	PERFORM pane.last_admin_check();
	IF p_password IS NOT NULL OR p_disabled THEN
		DELETE FROM pane.token WHERE user_id = v;
		DELETE FROM pane.ticket WHERE user_id = v AND used_at IS NULL;
	END IF;
	RETURN pane.get_user(p_name);
END $$;

CREATE FUNCTION pane.user_delete(p_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name); d record;
BEGIN
	PERFORM pg_advisory_xact_lock(1885433447, 1);
	FOR d IN SELECT desktop_id FROM pane.assignment WHERE user_id = v AND released_at IS NULL
		ORDER BY desktop_id
	LOOP
		PERFORM pane.release(d.desktop_id, 'user deleted');
	END LOOP;
	DELETE FROM pane.users WHERE id = v;
	PERFORM pane.last_admin_check();
END $$;

-- Leaves: out at once, kept for p_keep_s, then deleted (pane.rec_bin).
CREATE FUNCTION pane.user_retire(p_name text, p_keep_s integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name); d record;
BEGIN
	IF p_keep_s = 0 THEN
		PERFORM pane.user_delete(p_name);
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(1885433447, 1);
	PERFORM FROM pane.users WHERE id = v AND deleted_at IS NOT NULL;
	IF FOUND THEN
		PERFORM pane.refuse(404, 'user.unknown', format('There is no user %s (any more): it is in '
			'the bin.', p_name));
	END IF;
	UPDATE pane.users SET disabled = true, deleted_at = now(),
		delete_at = now() + make_interval(secs => p_keep_s) WHERE id = v;
	PERFORM pane.last_admin_check();
	FOR d IN SELECT desktop_id FROM pane.assignment WHERE user_id = v AND released_at IS NULL
		ORDER BY desktop_id
	LOOP
		PERFORM pane.bin_put(d.desktop_id, 'its user left', p_keep_s);
	END LOOP;
	DELETE FROM pane.welcome WHERE user_id = v;
END $$;

CREATE FUNCTION pane.user_restore(p_name text, p_keep_s integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_user(p_name);
BEGIN
	UPDATE pane.users SET disabled = false, deleted_at = NULL, delete_at = NULL
		WHERE id = v AND deleted_at IS NOT NULL;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'user.present', format('User %s is not in the bin.', p_name));
	END IF;
	PERFORM pane.entitlements_settle(ARRAY[v], p_keep_s); -- takes the desktops out, too
	RETURN pane.get_user(p_name);
END $$;

-- Whoever is enabled again is out of the bin, too.
CREATE FUNCTION pane.user_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.deleted_at := NULL;
	NEW.delete_at := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER user_enabled BEFORE UPDATE ON pane.users FOR EACH ROW
	WHEN (NOT NEW.disabled AND OLD.deleted_at IS NOT NULL) EXECUTE FUNCTION pane.user_enabled();

-- A disabled user is out: sessions end, floating desktops go back, dedicated ones stay as they are.
CREATE FUNCTION pane.user_out() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE d record;
BEGIN
	FOR d IN SELECT x.id, p.assignment FROM pane.desktop x JOIN pane.pool p ON p.id = x.pool_id
		WHERE x.user_id = NEW.id AND x.state <> 'deleted' ORDER BY x.id FOR UPDATE OF x
	LOOP
		IF d.assignment = 'floating' THEN
			PERFORM pane.release(d.id, 'user disabled');
		ELSE
			UPDATE pane.session SET state = 'ended', reason = 'user disabled'
				WHERE desktop_id = d.id AND state <> 'ended';
		END IF;
		PERFORM pane.viewers_changed(d.id);
	END LOOP;
	DELETE FROM pane.token WHERE user_id = NEW.id;
	DELETE FROM pane.ticket WHERE user_id = NEW.id AND used_at IS NULL;
	RETURN NULL;
END $$;
CREATE TRIGGER user_out AFTER UPDATE ON pane.users FOR EACH ROW
	WHEN (NEW.disabled AND NOT OLD.disabled) EXECUTE FUNCTION pane.user_out();

CREATE FUNCTION pane.bin_put(p_desktop uuid, p_reason text, p_keep_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE d pane.desktop;
BEGIN
	SELECT * INTO d FROM pane.desktop WHERE id = p_desktop FOR UPDATE;
	IF d.user_id IS NULL OR NOT d.dirty OR p_keep_s = 0 THEN -- nothing of theirs on it
		PERFORM pane.release(p_desktop, p_reason);
		RETURN;
	END IF;
	UPDATE pane.session SET state = 'ended', reason = p_reason
		WHERE desktop_id = p_desktop AND state <> 'ended';
	DELETE FROM pane.ticket WHERE desktop_id = p_desktop AND used_at IS NULL;
	INSERT INTO pane.bin (desktop_id, user_id, reason, delete_at) VALUES (p_desktop, d.user_id,
		p_reason, now() + make_interval(secs => p_keep_s)) ON CONFLICT (desktop_id) DO NOTHING;
	PERFORM pane.machine_park(p_desktop, 'in the bin: ' || p_reason);
END $$;

CREATE FUNCTION pane.bin_take(p_desktop uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.bin WHERE desktop_id = p_desktop;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM pane.machine_restart(p_desktop, 'taken out of the bin');
	RETURN true;
END $$;

CREATE FUNCTION pane.bin_restore(p_desktop text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_desktop(p_desktop); b record;
BEGIN
	SELECT u.name, u.deleted_at, d.pool_id, u.id INTO b FROM pane.bin x JOIN pane.users u ON u.id = x.user_id
		JOIN pane.desktop d ON d.id = x.desktop_id WHERE x.desktop_id = v;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'desktop.present', format('Desktop %s is not in the bin.', p_desktop));
	ELSIF b.deleted_at IS NOT NULL THEN
		PERFORM pane.refuse(409, 'user.left', format('User %s is in the bin, too: restore the user.',
			b.name));
	END IF;
	INSERT INTO pane.entitlement (pool_id, user_id) VALUES (b.pool_id, b.id)
		ON CONFLICT (pool_id, user_id) DO UPDATE SET direct = true;
	PERFORM pane.bin_take(v);
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_desktop(p_desktop);
END $$;

CREATE FUNCTION pane.list_bin() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(o ORDER BY at, name), '[]'))::text FROM (
		SELECT u.deleted_at AS at, u.name, jsonb_build_object('kind', 'user', 'name', u.name, 'user', u.name,
			'reason', 'left', 'since', u.deleted_at, 'delete_at', u.delete_at) AS o
		FROM pane.users u WHERE u.deleted_at IS NOT NULL
		UNION ALL
		SELECT b.binned_at, d.name, jsonb_build_object('kind', 'desktop', 'name', d.name, 'user', u.name,
			'reason', b.reason, 'since', b.binned_at, 'delete_at', b.delete_at)
		FROM pane.bin b JOIN pane.desktop d ON d.id = b.desktop_id
		JOIN pane.users u ON u.id = b.user_id) x
$$;

CREATE FUNCTION pane.entitlement_lost(p_user uuid, p_pool uuid, p_reason text, p_keep_s integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE d record;
BEGIN
	FOR d IN SELECT a.desktop_id, p.assignment FROM pane.assignment a JOIN pane.pool p ON p.id = a.pool_id
		WHERE a.user_id = p_user AND a.pool_id = p_pool AND a.released_at IS NULL
	LOOP
		IF d.assignment = 'dedicated' THEN
			PERFORM pane.bin_put(d.desktop_id, p_reason, p_keep_s);
		ELSE
			PERFORM pane.release(d.desktop_id, p_reason);
		END IF;
	END LOOP;
END $$;

-- Makes the entitlements of these users what their groups say.
CREATE FUNCTION pane.entitlements_settle(p_users uuid[], p_keep_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE e record; v uuid;
BEGIN
	PERFORM FROM pane.users WHERE id = ANY (p_users) ORDER BY id FOR NO KEY UPDATE;
	INSERT INTO pane.entitlement (pool_id, user_id, direct)
		SELECT DISTINCT g.pool_id, m.user_id, false FROM pane.membership m
		JOIN pane.group_entitlement g ON g.group_id = m.group_id
		WHERE m.user_id = ANY (p_users) ON CONFLICT DO NOTHING;
	FOR e IN SELECT x.pool_id, x.user_id FROM pane.entitlement x WHERE x.user_id = ANY (p_users)
		AND NOT x.direct AND NOT EXISTS (SELECT FROM pane.membership m
			JOIN pane.group_entitlement g ON g.group_id = m.group_id
			WHERE m.user_id = x.user_id AND g.pool_id = x.pool_id) ORDER BY x.user_id
	LOOP
		DELETE FROM pane.entitlement WHERE user_id = e.user_id AND pool_id = e.pool_id;
		PERFORM pane.entitlement_lost(e.user_id, e.pool_id, 'no longer in a group of its pool',
			p_keep_s);
	END LOOP;
	-- Who is back in time finds their desktop again.
	FOR v IN SELECT b.desktop_id FROM pane.bin b JOIN pane.users u ON u.id = b.user_id
		JOIN pane.desktop d ON d.id = b.desktop_id
		JOIN pane.entitlement x ON x.user_id = b.user_id AND x.pool_id = d.pool_id
		WHERE b.user_id = ANY (p_users) AND NOT u.disabled
	LOOP
		PERFORM pane.bin_take(v);
	END LOOP;
	PERFORM pg_notify('pane', 'reconcile');
END $$;

CREATE FUNCTION pane.need_group(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.groups WHERE name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'group.unknown', format('There is no group %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.list_groups(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (SELECT *
		FROM pane.group_view WHERE name > p_after ORDER BY name LIMIT p_limit + 1) x
$$;

CREATE FUNCTION pane.get_group(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('users', coalesce((SELECT jsonb_agg(u.name ORDER BY u.name)
		FROM pane.membership m JOIN pane.users u ON u.id = m.user_id
		JOIN pane.groups g ON g.id = m.group_id WHERE g.name = p_name), '[]')))::text
	FROM pane.group_view x WHERE x.name = p_name
$$;

CREATE FUNCTION pane.group_create(p_name text, p_description text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.groups (name, description) VALUES (p_name, coalesce(p_description, ''))
		ON CONFLICT (name) DO NOTHING;
	IF NOT FOUND THEN
		PERFORM pane.refuse(409, 'group.exists', format('There is a group %s already.', p_name));
	END IF;
	RETURN pane.get_group(p_name);
END $$;

CREATE FUNCTION pane.group_delete(p_name text, p_keep_s integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v uuid := pane.need_group(p_name); v_users uuid[];
BEGIN
	SELECT array_agg(user_id) INTO v_users FROM pane.membership WHERE group_id = v;
	DELETE FROM pane.groups WHERE id = v;
	PERFORM pane.entitlements_settle(coalesce(v_users, '{}'), p_keep_s);
END $$;

CREATE FUNCTION pane.group_member(p_group text, p_user text, p_in boolean, p_keep_s integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_group uuid := pane.need_group(p_group); v_user uuid := pane.need_user(p_user);
BEGIN
	PERFORM FROM pane.groups WHERE id = v_group AND origin = 'directory';
	IF FOUND THEN
		PERFORM pane.refuse(409, 'group.directory', format('Who is in group %s is said by the directory.', p_group));
	END IF;
	IF p_in THEN
		INSERT INTO pane.membership VALUES (v_group, v_user) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM pane.membership WHERE group_id = v_group AND user_id = v_user;
		IF NOT FOUND THEN
			PERFORM pane.refuse(404, 'member.unknown', format('User %s is not in group %s.',
				p_user, p_group));
		END IF;
	END IF;
	PERFORM pane.entitlements_settle(ARRAY[v_user], p_keep_s);
	RETURN pane.get_group(p_group);
END $$;

-- p_who: a user, or "group:NAME".
-- p_access: when and from where; what it leaves out stays.
CREATE FUNCTION pane.entitle_who(p_pool text, p_who text, p_keep_s integer, p_access jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool); v uuid;
BEGIN
	IF p_who LIKE 'group:%' THEN
		v := pane.need_group(substr(p_who, 7));
		INSERT INTO pane.group_entitlement VALUES (v_pool, v) ON CONFLICT DO NOTHING;
		PERFORM pane.entitlements_settle((SELECT coalesce(array_agg(user_id), '{}')
			FROM pane.membership WHERE group_id = v), p_keep_s);
		PERFORM pane.access_set(v_pool, NULL, v, p_access);
		RETURN jsonb_build_object('pool', p_pool, 'group', substr(p_who, 7))::text;
	END IF;
	v := pane.need_user(p_who);
	INSERT INTO pane.entitlement (pool_id, user_id) VALUES (v_pool, v)
		ON CONFLICT (pool_id, user_id) DO UPDATE SET direct = true;
	PERFORM pane.entitlements_settle(ARRAY[v], p_keep_s);
	PERFORM pane.access_set(v_pool, v, NULL, p_access);
	RETURN jsonb_build_object('pool', p_pool, 'user', p_who)::text;
END $$;

CREATE FUNCTION pane.disentitle_who(p_pool text, p_who text, p_keep_s integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := pane.need_pool(p_pool); v uuid;
BEGIN
	IF p_who LIKE 'group:%' THEN
		v := pane.need_group(substr(p_who, 7));
		DELETE FROM pane.group_entitlement WHERE pool_id = v_pool AND group_id = v;
		IF FOUND THEN
			PERFORM pane.entitlements_settle((SELECT coalesce(array_agg(user_id), '{}')
				FROM pane.membership WHERE group_id = v), p_keep_s);
			RETURN;
		END IF;
	ELSE
		v := pane.need_user(p_who);
		DELETE FROM pane.entitlement WHERE pool_id = v_pool AND user_id = v AND direct;
		IF FOUND THEN
			PERFORM pane.entitlements_settle(ARRAY[v], p_keep_s); -- a group may still give it
			PERFORM FROM pane.entitlement WHERE pool_id = v_pool AND user_id = v;
			IF NOT FOUND THEN
				PERFORM pane.entitlement_lost(v, v_pool, 'entitlement withdrawn', p_keep_s);
			END IF;
			RETURN;
		END IF;
	END IF;
	PERFORM pane.refuse(404, 'entitlement.unknown', format('%s is not entitled to pool %s%s.', p_who,
		p_pool, CASE WHEN EXISTS (SELECT FROM pane.entitlement WHERE pool_id = v_pool AND user_id = v)
		THEN ' by itself, but through a group' ELSE '' END));
END $$;

-- Who may use a pool: groups, then users, each with how and with the desktop or why there is none.
CREATE FUNCTION pane.list_entitled(p_pool text) RETURNS text LANGUAGE sql STABLE AS $$
	WITH p AS (SELECT id FROM pane.pool WHERE name = p_pool AND deleted_at IS NULL), x AS (
		SELECT 1 AS n, g.name, jsonb_build_object('user', 'group:' || g.name, 'direct', true,
			'groups', '[]'::jsonb, 'desktop', NULL, 'blocked', '[]'::jsonb) || pane.access_json(p.id, NULL, g.id) AS o
		FROM p JOIN pane.group_entitlement e ON e.pool_id = p.id JOIN pane.groups g ON g.id = e.group_id
		UNION ALL
		SELECT 2, u.name, jsonb_build_object('user', u.name, 'direct', e.direct, 'groups',
			(SELECT coalesce(jsonb_agg(g.name ORDER BY g.name), '[]') FROM pane.membership m
			JOIN pane.group_entitlement ge ON ge.group_id = m.group_id AND ge.pool_id = p.id
			JOIN pane.groups g ON g.id = m.group_id WHERE m.user_id = u.id),
			'desktop', d.name, 'blocked', to_jsonb(e.blocked)) || pane.access_json(p.id, u.id, NULL)
		FROM p JOIN pane.entitlement e ON e.pool_id = p.id JOIN pane.users u ON u.id = e.user_id
		LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.user_id = u.id AND d.state <> 'deleted')
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(o ORDER BY n, name), '[]'))::text FROM x
$$;

-- One row of an import: what was done, or refused. "groups", when there, are all groups of the user.
CREATE FUNCTION pane.import_row(r jsonb, p_keep_s integer, OUT action text, OUT changes text[],
	OUT touched uuid) LANGUAGE plpgsql AS $$
DECLARE u pane.users; v_name text := r ->> 'user'; v_groups text[]; v_had text[]; v_bad text;
BEGIN
	changes := '{}';
	IF r ? 'problem' THEN
		PERFORM pane.refuse(400, 'request.invalid', r ->> 'problem');
	END IF;
	SELECT * INTO u FROM pane.users WHERE name = v_name FOR NO KEY UPDATE;
	IF u.origin = 'directory' THEN
		PERFORM pane.refuse(409, 'user.directory', format('%s comes from the directory: change them there', v_name));
	END IF;
	IF r ->> 'state' = 'left' THEN
		action := CASE WHEN u.id IS NULL OR u.deleted_at IS NOT NULL THEN 'unchanged' ELSE 'retire' END;
		IF action = 'retire' THEN
			IF u.role <> 'user' THEN
				PERFORM pane.refuse(403, 'import.role', format('%s is %s: only users are imported',
					v_name, u.role));
			END IF;
			PERFORM pane.user_retire(v_name, p_keep_s);
		END IF;
		RETURN;
	END IF;
	SELECT array_agg(DISTINCT g ORDER BY g) INTO v_groups FROM jsonb_array_elements_text(r -> 'groups') g;
	SELECT g INTO v_bad FROM unnest(v_groups) g WHERE NOT EXISTS (SELECT FROM pane.groups x WHERE x.name = g)
		LIMIT 1;
	IF FOUND THEN
		PERFORM pane.refuse(404, 'group.unknown', format('there is no group %s: pane groups create %s', v_bad, v_bad));
	END IF;
	SELECT name INTO v_bad FROM pane.groups WHERE name = ANY (v_groups) AND origin = 'directory' LIMIT 1;
	IF FOUND THEN
		PERFORM pane.refuse(409, 'group.directory', format('who is in group %s is said by the directory', v_bad));
	END IF;
	action := CASE WHEN u.id IS NULL THEN 'create' WHEN u.deleted_at IS NOT NULL THEN 'restore'
		ELSE 'unchanged' END;
	IF action = 'create' THEN
		INSERT INTO pane.users (name, password, full_name, email) VALUES (v_name, '$argon2id$none',
			coalesce(r ->> 'full_name', ''), coalesce(r ->> 'email', '')) RETURNING * INTO u;
		INSERT INTO pane.welcome (hash, user_id, expires_at) SELECT decode(r ->> 'welcome_hash', 'hex'),
			u.id, now() + interval '7 days' WHERE r ->> 'welcome_hash' IS NOT NULL;
	ELSIF u.role <> 'user' THEN
		PERFORM pane.refuse(403, 'import.role', format('%s is %s: only users are imported', v_name, u.role));
	ELSIF action = 'restore' THEN
		UPDATE pane.users SET disabled = false, deleted_at = NULL, delete_at = NULL WHERE id = u.id;
	END IF;
	IF u.full_name <> r ->> 'full_name' THEN
		changes := changes || format('full name %s -> %s', u.full_name, r ->> 'full_name');
	END IF;
	IF u.email <> r ->> 'email' THEN
		changes := changes || format('email %s -> %s', u.email, r ->> 'email');
	END IF;
	IF changes <> '{}' THEN
		UPDATE pane.users SET full_name = coalesce(r ->> 'full_name', full_name),
			email = coalesce(r ->> 'email', email) WHERE id = u.id;
	END IF;
	SELECT array_agg(g.name ORDER BY g.name) INTO v_had FROM pane.membership m
		JOIN pane.groups g ON g.id = m.group_id WHERE m.user_id = u.id;
	IF r ? 'groups' AND v_had IS DISTINCT FROM v_groups THEN
		changes := changes || format('groups %s -> %s', coalesce(array_to_string(v_had, ' '), ''),
			coalesce(array_to_string(v_groups, ' '), ''));
		DELETE FROM pane.membership m USING pane.groups g WHERE m.user_id = u.id AND g.id = m.group_id
			AND NOT g.name = ANY (coalesce(v_groups, '{}'));
		INSERT INTO pane.membership SELECT g.id, u.id FROM pane.groups g WHERE g.name = ANY (v_groups)
			ON CONFLICT DO NOTHING;
	END IF;
	IF action = 'unchanged' AND changes <> '{}' THEN
		action := 'update';
	END IF;
	touched := CASE WHEN action <> 'unchanged' THEN u.id END;
END $$;

-- Rows that are refused change nothing and say why; the others are done. The same rows again are all
-- "unchanged".
CREATE FUNCTION pane.users_import(p_rows jsonb, p_keep_s integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE r jsonb; v_out jsonb[] := '{}'; x record; v_touched uuid[] := '{}'; v_detail text; v_rule text; v_n bigint; v_nth bigint;
BEGIN
	FOR r, v_n, v_nth IN SELECT e.o, e.n, row_number() OVER (PARTITION BY e.o ->> 'user' ORDER BY e.n)
		FROM jsonb_array_elements(p_rows) WITH ORDINALITY e (o, n) ORDER BY e.n
	LOOP
		BEGIN
			IF v_nth > 1 AND NOT r ? 'problem' THEN
				PERFORM pane.refuse(409, 'import.twice', 'the same user is in an earlier row');
			END IF;
			SELECT * INTO x FROM pane.import_row(r, p_keep_s);
			v_touched := v_touched || coalesce(ARRAY[x.touched], '{}');
			v_out := v_out || jsonb_build_object('row', v_n, 'user', r ->> 'user', 'action', x.action,
				'changes', to_jsonb(x.changes));
		EXCEPTION WHEN sqlstate 'PN400' OR sqlstate 'PN403' OR sqlstate 'PN404' OR sqlstate 'PN409' OR check_violation THEN
			GET STACKED DIAGNOSTICS v_detail = MESSAGE_TEXT, v_rule = CONSTRAINT_NAME;
			v_out := v_out || jsonb_build_object('row', v_n, 'user', r ->> 'user', 'action', 'error',
				'changes', '[]'::jsonb, 'message', CASE WHEN SQLSTATE <> '23514' THEN v_detail
				WHEN v_rule LIKE '%name_check' AND v_rule NOT LIKE '%full_name%' THEN 'a user name has 1 to 64 of a-z, 0-9, ''.'', '
				'''_'', ''@'' and ''-'', and begins with a letter or digit' ELSE format('%s is longer than 200 characters',
				replace(replace(v_rule, 'users_', ''), '_check', '')) END);
		END;
	END LOOP;
	PERFORM pane.entitlements_settle(array_remove(v_touched, NULL), p_keep_s);
	RETURN jsonb_build_object('items', to_jsonb(v_out), 'counts', (SELECT coalesce(jsonb_object_agg(a, n), '{}')
		FROM (SELECT o ->> 'action' AS a, count(*) AS n FROM unnest(v_out) o GROUP BY 1) c));
END $$;
