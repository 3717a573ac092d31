-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A directory's users and groups brought over: joiners are made, movers change groups, leavers are retired as by
-- an administrator (out at once, kept in the bin). Only people and groups that differ are touched.

-- What cannot be done here to a user the directory has.
CREATE FUNCTION pane.local_only(p_name text, p_what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.users WHERE name = p_name AND origin = 'directory';
	IF FOUND THEN
		PERFORM pane.refuse(409, 'user.directory', format('User %s comes from the directory: %s.', p_name, p_what));
	END IF;
END $$;

CREATE FUNCTION pane.directory_failed(p_error text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.directory_state SET at = now(), error = left(p_error, 1000);
	RETURN jsonb_build_object('error', p_error);
END $$;

-- The directory's groups: made, and gone when the directory has them no more. Answers the names a local group
-- has already.
CREATE FUNCTION pane.directory_groups(p_names jsonb, p_keep_s integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v text;
BEGIN
	INSERT INTO pane.groups (name, description, origin)
		SELECT n, 'from the directory', 'directory' FROM jsonb_array_elements_text(p_names) n
		ON CONFLICT (name) DO NOTHING;
	FOR v IN SELECT name FROM pane.groups WHERE origin = 'directory' AND NOT p_names ? name ORDER BY name LOOP
		PERFORM pane.group_delete(v, p_keep_s);
	END LOOP;
	RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('dn', g.name, 'why', 'a local group has this name')), '[]')
		FROM pane.groups g WHERE g.origin = 'local' AND p_names ? g.name);
END $$;

-- One user as the directory has them; p_row also says what is there now. True when something changed.
CREATE FUNCTION pane.directory_user(r jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	INSERT INTO pane.users AS u (name, password, full_name, email, origin)
		VALUES (r ->> 'user', '$argon2id$none', left(r ->> 'full_name', 200), left(r ->> 'email', 200), 'directory')
		ON CONFLICT (name) DO UPDATE SET full_name = excluded.full_name, email = excluded.email,
			disabled = CASE WHEN u.deleted_at IS NULL THEN u.disabled ELSE false END
		RETURNING id INTO v;
	DELETE FROM pane.membership m USING pane.groups g WHERE m.user_id = v AND g.id = m.group_id
		AND g.origin = 'directory' AND NOT r -> 'groups' ? g.name;
	INSERT INTO pane.membership SELECT g.id, v FROM pane.groups g WHERE g.origin = 'directory'
		AND r -> 'groups' ? g.name ON CONFLICT DO NOTHING;
	RETURN v;
END $$;

-- Who is gone: refused as a whole when it is more than a fifth (and more than ten), unless forced: a directory
-- that shows half its people is more often broken than right.
CREATE FUNCTION pane.directory_leavers(p_keep_s integer, p_force boolean, OUT n integer, OUT refused text)
LANGUAGE plpgsql AS $$
DECLARE v_all integer; v_gone text[]; v text;
BEGIN
	SELECT count(*), array_agg(u.name ORDER BY u.name) FILTER (WHERE x.name IS NULL) INTO v_all, v_gone
		FROM pane.users u LEFT JOIN directory_row x ON x.name = u.name
		WHERE u.origin = 'directory' AND u.deleted_at IS NULL;
	n := coalesce(cardinality(v_gone), 0);
	IF n > 10 AND n * 5 > v_all AND NOT p_force THEN
		refused := format('%s of %s users of the directory are gone at once: nobody was retired. When that is right: '
			'pane directory sync --force', n, v_all);
		n := 0;
		RETURN;
	END IF;
	FOREACH v IN ARRAY coalesce(v_gone, '{}') LOOP
		PERFORM pane.user_retire(v, p_keep_s);
	END LOOP;
END $$;

-- The rows of a comparison, in a table of its own for the planner's sake, each with what differs here.
CREATE FUNCTION pane.directory_rows(p_users jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE directory_row ON COMMIT DROP AS SELECT DISTINCT ON (r ->> 'user') r ->> 'user' AS name, r,
		(SELECT array_agg(n ORDER BY n) FROM jsonb_array_elements_text(r -> 'groups') n
			JOIN pane.groups g ON g.name = n AND g.origin = 'directory') AS groups
		FROM jsonb_array_elements(p_users) r;
	ANALYZE directory_row;
	CREATE TEMP TABLE directory_diff ON COMMIT DROP AS
		WITH had AS (SELECT m.user_id, array_agg(g.name ORDER BY g.name) AS groups FROM pane.membership m
			JOIN pane.groups g ON g.id = m.group_id AND g.origin = 'directory' GROUP BY 1)
		SELECT x.name, x.r, u.id IS NULL AS new FROM directory_row x LEFT JOIN pane.users u ON u.name = x.name
		LEFT JOIN had h ON h.user_id = u.id
		WHERE u.id IS NULL OR (u.origin = 'directory' AND (u.deleted_at IS NOT NULL
			OR u.full_name <> left(x.r ->> 'full_name', 200) OR u.email <> left(x.r ->> 'email', 200)
			OR h.groups IS DISTINCT FROM x.groups));
END $$;

-- p: what the helper's "list" gave. Answers the counts; the state is kept for pane.get_directory().
CREATE FUNCTION pane.directory_sync(p jsonb, p_keep_s integer, p_force boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_touched uuid[]; v_new integer; v_changed integer; v_skipped jsonb; v_left record; v_told jsonb;
BEGIN
	IF p ? 'error' THEN
		RETURN pane.directory_failed(p ->> 'error');
	END IF;
	v_skipped := coalesce(p -> 'skipped', '[]') || pane.directory_groups(p -> 'groups', p_keep_s);
	PERFORM pane.directory_rows(p -> 'users');
	v_skipped := v_skipped || (SELECT coalesce(jsonb_agg(jsonb_build_object('dn', u.name, 'why',
		'a local user has this name')), '[]') FROM directory_row x JOIN pane.users u ON u.name = x.name
		WHERE u.origin = 'local');
	SELECT count(*) FILTER (WHERE new), count(*) FILTER (WHERE NOT new) INTO v_new, v_changed FROM directory_diff;
	SELECT array_agg(pane.directory_user(r)) INTO v_touched FROM directory_diff;
	PERFORM pane.entitlements_settle(coalesce(v_touched, '{}'), p_keep_s);
	SELECT * INTO v_left FROM pane.directory_leavers(p_keep_s, p_force);
	v_told := jsonb_build_object('users', jsonb_array_length(p -> 'users'), 'groups',
		jsonb_array_length(p -> 'groups'), 'joined', v_new, 'changed', v_changed, 'left', v_left.n,
		'skipped', v_skipped);
	UPDATE pane.directory_state SET at = clock_timestamp(), error = coalesce(v_left.refused, ''), told = v_told,
		ok_at = CASE WHEN v_left.refused IS NULL THEN now() ELSE ok_at END;
	IF v_new + v_changed + v_left.n > 0 THEN
		INSERT INTO pane.audit (actor, action, object, outcome, detail) VALUES ('directory', 'directory.sync', '', 'ok',
			format('%s joined, %s changed, %s left', v_new, v_changed, v_left.n));
	END IF;
	RETURN v_told || jsonb_build_object('skipped', jsonb_array_length(v_skipped), 'error', v_left.refused);
END $$;

CREATE FUNCTION pane.get_directory() RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('at', at, 'ok_at', ok_at, 'error', error) || told FROM pane.directory_state
$$;
