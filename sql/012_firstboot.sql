-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What a desktop starts from and what it is told at its first boot. A version boots directly or by
-- firmware; a host says whether it has that. A pool may customise the first boot of desktops whose
-- image has cloud-init; a desktop keeps the customisation it was placed with, as it keeps its
-- version. Customisations are content-addressed rows: orders name one, the reply holds each once
-- (013_homes.sql has what hosts report and are told).

-- ---- firmware ----

ALTER TABLE pane.image_version
	ADD COLUMN boot text NOT NULL DEFAULT 'direct' CHECK (boot IN ('direct', 'firmware')),
	ADD COLUMN boot_reason text NOT NULL DEFAULT ''; -- why not directly
ALTER TABLE pane.host ADD COLUMN firmware boolean NOT NULL DEFAULT false; -- can start such ones

CREATE FUNCTION pane.image_ready(p_id uuid, p_manifest text, p_disk_mib bigint, p_boot text,
	p_boot_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.image_version SET boot = p_boot, boot_reason = left(p_boot_reason, 400)
		WHERE id = p_id;
	RETURN pane.image_ready(p_id, p_manifest, p_disk_mib);
END $$;

CREATE FUNCTION pane.boot_why_not(p_host uuid, p_host_name text, p_image text, p_version text)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('host %s: version %s of image %s starts by firmware only (%s), which this host '
		'cannot do', p_host_name, v.version, p_image, v.boot_reason)
	FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
	JOIN pane.host h ON h.id = p_host AND NOT h.firmware
	WHERE i.name = p_image AND v.version = p_version AND v.boot = 'firmware'
$$;

ALTER FUNCTION pane.image_why_not(uuid, text, text, text) RENAME TO image_absent;
CREATE FUNCTION pane.image_why_not(p_host uuid, p_host_name text, p_image text, p_version text)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(pane.boot_why_not(p_host, p_host_name, p_image, p_version),
		pane.image_absent(p_host, p_host_name, p_image, p_version))
$$;

-- What a report says of firmware: the host's, and that of images only hosts have.
CREATE FUNCTION pane.host_boots(p_host uuid, p_report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_can boolean := coalesce((p_report -> 'capacity' ->> 'firmware')::boolean, false);
BEGIN
	UPDATE pane.host SET firmware = v_can WHERE id = p_host AND firmware <> v_can;
	UPDATE pane.image_version v SET boot = 'firmware',
		boot_reason = left(coalesce(x ->> 'boot_reason', ''), 400)
		FROM pane.image i, jsonb_array_elements(coalesce(p_report -> 'images', '[]')) x
		WHERE i.id = v.image_id AND v.origin = 'host' AND v.boot = 'direct'
		AND x ->> 'boot' = 'firmware' AND x ->> 'name' = i.name AND x ->> 'version' = v.version;
END $$;

CREATE OR REPLACE VIEW pane.image_version_view AS
	SELECT i.name, v.version, CASE WHEN v.state = 'ready' AND EXISTS (SELECT FROM pane.image_tag t
			WHERE t.version_id = v.id) THEN 'published' ELSE v.state::text END AS state,
		v.percent, v.reason, coalesce((SELECT jsonb_agg(t.tag ORDER BY t.tag) FROM
			pane.image_tag t WHERE t.version_id = v.id), '[]') AS tags,
		v.origin, v.changelog, v.size_bytes, v.received_bytes, v.sha256, v.disk_mib,
		v.created_by, v.created_at, v.since,
		coalesce((SELECT jsonb_agg(jsonb_build_object('host', h.name, 'state', x.state,
			'percent', x.percent, 'reason', coalesce(pane.boot_why_not(h.id, h.name, i.name,
			v.version), x.reason), 'online', h.online) ORDER BY h.name)
			FROM pane.host_version x JOIN pane.host h ON h.id = x.host_id
			WHERE x.name = i.name AND x.version = v.version), '[]') AS hosts,
		(SELECT count(*) FROM pane.desktop d WHERE d.image = i.name
			AND d.image_version = v.version AND d.state <> 'deleted') AS desktops,
		v.boot, v.boot_reason
	FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id;

-- "problems": what keeps tagged versions from becoming desktops.
CREATE OR REPLACE FUNCTION pane.list_images(p_after text, p_limit integer) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (
		SELECT i.name, coalesce((SELECT jsonb_object_agg(t.tag, v.version) FROM
				pane.image_tag t JOIN pane.image_version v ON v.id = t.version_id
				WHERE t.image_id = i.id), '{}') AS tags,
			(SELECT count(*) FROM pane.image_version v WHERE v.image_id = i.id) AS versions,
			coalesce((SELECT jsonb_agg(jsonb_build_object('host', h.name, 'version', y.version,
				'disk_mib', y.disk_mib, 'online', h.online) ORDER BY h.name, y.version)
				FROM pane.host_version y JOIN pane.host h ON h.id = y.host_id
				WHERE y.name = i.name AND y.state = 'present'), '[]') AS hosts,
			coalesce((SELECT jsonb_agg(p.name ORDER BY p.name) FROM pane.pool p
				WHERE p.image = i.name AND p.deleted_at IS NULL), '[]') AS pools,
			coalesce((SELECT jsonb_agg(DISTINCT r.why) FROM pane.image_tag t
				JOIN pane.image_version v ON v.id = t.version_id
				JOIN pane.host h ON h.enrolled_at IS NOT NULL
				LEFT JOIN pane.host_version y ON y.host_id = h.id AND y.name = i.name
					AND y.version = v.version AND y.state = 'failed',
				LATERAL (SELECT coalesce(pane.boot_why_not(h.id, h.name, i.name, v.version),
					CASE WHEN y.reason IS NOT NULL THEN format('host %s: version %s: %s', h.name,
					v.version, y.reason) END) AS why) r
				WHERE t.image_id = i.id AND r.why IS NOT NULL), '[]') AS problems
		FROM pane.image i WHERE i.name > p_after ORDER BY i.name LIMIT p_limit + 1) x
$$;

-- ---- customisation ----

CREATE TABLE pane.customization (
	id uuid PRIMARY KEY,                   -- md5 of body's text
	body jsonb NOT NULL
);

ALTER TABLE pane.pool ADD COLUMN customize uuid REFERENCES pane.customization;
ALTER TABLE pane.desktop
	ADD COLUMN customize uuid REFERENCES pane.customization,
	ADD COLUMN account text NOT NULL DEFAULT 'user'; -- made at first boot; '' = none yet

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
	IF NEW.isolation::text = 'vm' AND OLD.state IN ('cloning', 'booting', 'ready') THEN
		NEW.want := 'stopped';
		NEW.epoch := NEW.epoch + 1;
		NEW.state := 'booting';
		NEW.reason := 'starts with the account ' || NEW.account;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER desktop_account BEFORE UPDATE ON pane.desktop
	FOR EACH ROW EXECUTE FUNCTION pane.desktop_account();

-- Fields of a pool beside those of pane.pool_create() and pool_update(). "customize" changes the
-- fields it names; null takes one away.
CREATE OR REPLACE FUNCTION pane.pool_images(p_name text, p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_had jsonb;
BEGIN
	UPDATE pane.pool SET image_tag = coalesce(p ->> 'image_tag', image_tag),
		home_mib = coalesce((p ->> 'home_mib')::integer, home_mib)
		WHERE name = p_name AND deleted_at IS NULL;
	IF p ? 'customize' THEN
		SELECT c.body INTO v_had FROM pane.pool q JOIN pane.customization c ON c.id = q.customize
			WHERE q.name = p_name AND q.deleted_at IS NULL;
		UPDATE pane.pool SET customize = pane.customization_take(jsonb_strip_nulls(
			coalesce(v_had, '{}') || (p -> 'customize')))
			WHERE name = p_name AND deleted_at IS NULL;
		DELETE FROM pane.customization c WHERE NOT EXISTS (SELECT FROM pane.pool q
			WHERE q.customize = c.id) AND NOT EXISTS (SELECT FROM pane.desktop d
			WHERE d.customize = c.id AND d.state <> 'deleted');
	END IF;
	RETURN pane.get_pool(p_name);
END $$;

-- The tombstone of a desktop keeps no customisation alive.
CREATE FUNCTION pane.customize_drop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.customize := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER customize_drop BEFORE UPDATE ON pane.desktop FOR EACH ROW
	WHEN (NEW.state = 'deleted' AND NEW.customize IS NOT NULL) EXECUTE FUNCTION pane.customize_drop();

-- A list of pools does not carry their scripts.
CREATE OR REPLACE VIEW pane.pool_view AS
	SELECT p.name, p.image, p.cpus, p.memory_mib, p.disk_mib, p.size_max, p.spare, p.assignment,
		p.isolation, p.logoff_after_s, to_jsonb(p.blocked) AS blocked,
		count(d.*) AS desktops,
		count(d.*) FILTER (WHERE d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) AS ready,
		count(d.user_id) AS assigned,
		count(d.*) FILTER (WHERE d.state = 'failed') AS failed,
		pane.resets(p) AS reset, p.image_tag, pane.pool_version(p.id) AS image_version, p.home_mib,
		coalesce((SELECT c.body - 'script' FROM pane.customization c WHERE c.id = p.customize),
			'{}') AS customize
	FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state <> 'deleted'
	WHERE p.deleted_at IS NULL GROUP BY p.id;

CREATE OR REPLACE FUNCTION pane.get_pool(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT (to_jsonb(x) || jsonb_build_object('rollout', pane.rollout_json(p.id), 'versions',
		(SELECT coalesce(jsonb_object_agg(v.image_version, v.n), '{}') FROM (
			SELECT d.image_version, count(*) AS n FROM pane.desktop d WHERE d.pool_id = p.id
			AND d.state NOT IN ('deleted', 'requested') GROUP BY 1) v),
		'customize', coalesce((SELECT c.body FROM pane.customization c WHERE c.id = p.customize),
			'{}')))::text
	FROM pane.pool_view x JOIN pane.pool p ON p.name = x.name AND p.deleted_at IS NULL
	WHERE x.name = p_name
$$;
