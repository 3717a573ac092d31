-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Images, their versions and tags: what hosts report of them, what people do, and the converter's work.
-- A version that is tagged or the base of a desktop cannot be deleted.

CREATE FUNCTION pane.image_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.state IS DISTINCT FROM OLD.state THEN
		PERFORM FROM pane.image_transition t
			WHERE t.from_state = OLD.state AND t.to_state = NEW.state;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'image version %: no transition from % to %', NEW.version,
				OLD.state, NEW.state USING ERRCODE = 'check_violation';
		END IF;
		NEW.since := clock_timestamp();
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER image_guard BEFORE UPDATE ON pane.image_version
	FOR EACH ROW EXECUTE FUNCTION pane.image_guard();

-- A tag points at a version of its own image that is ready, whoever moves it.
CREATE FUNCTION pane.image_tag_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.image_version v WHERE v.id = NEW.version_id
		AND v.image_id = NEW.image_id AND v.state = 'ready' FOR SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'tag %: not a ready version of its image', NEW.tag
			USING ERRCODE = 'check_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER image_tag_guard BEFORE INSERT OR UPDATE ON pane.image_tag
	FOR EACH ROW EXECUTE FUNCTION pane.image_tag_guard();

-- What new desktops of a pool are made from; NULL when its tag points nowhere. (In PL/pgSQL, which keeps the plan: each
-- placement asks.)
CREATE FUNCTION pane.pool_version(p_pool uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT v.version FROM pane.pool p JOIN pane.image i ON i.name = p.image
		JOIN pane.image_tag t ON t.image_id = i.id AND t.tag = p.image_tag
		JOIN pane.image_version v ON v.id = t.version_id WHERE p.id = p_pool);
END $$;

CREATE FUNCTION pane.boot_why_not(p_host uuid, p_host_name text, p_image text, p_version text)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT format('host %s: version %s of image %s starts by firmware only (%s), which this host '
		'cannot do', p_host_name, v.version, p_image, v.boot_reason)
	FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
	JOIN pane.host h ON h.id = p_host AND NOT h.firmware
	WHERE i.name = p_image AND v.version = p_version AND v.boot = 'firmware'
$$;

-- Why a host cannot make a desktop from a version; NULL when it can, now or after fetching it.
CREATE FUNCTION pane.image_why_not(p_host uuid, p_host_name text, p_image text, p_version text)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(pane.boot_why_not(p_host, p_host_name, p_image, p_version), CASE
		WHEN p_version IS NULL AND EXISTS (SELECT FROM pane.host_image i
			WHERE i.host_id = p_host AND i.name = p_image) THEN NULL
		WHEN EXISTS (SELECT FROM pane.host_version h WHERE h.host_id = p_host
			AND h.name = p_image AND h.version = p_version AND h.state = 'present') THEN NULL
		WHEN EXISTS (SELECT FROM pane.image i JOIN pane.image_version v ON v.image_id = i.id
			WHERE i.name = p_image AND v.version = p_version AND v.origin = 'upload'
			AND v.state = 'ready') THEN (SELECT format('host %s: cannot fetch version %s of '
			'image %s: %s', p_host_name, p_version, p_image, h.reason) FROM pane.host_version h
			WHERE h.host_id = p_host AND h.name = p_image AND h.version = p_version
			AND h.state = 'failed')
		WHEN EXISTS (SELECT FROM pane.host_version h WHERE h.host_id = p_host
			AND h.name = p_image) THEN format('host %s: does not have version %s of image %s',
			p_host_name, p_version, p_image)
		ELSE format('host %s: no image %s', p_host_name, p_image) END)
$$;

-- Versions that only hosts had and none has any more; images without versions.
CREATE FUNCTION pane.images_sweep() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.image_tag t USING pane.image_version v, pane.image i
		WHERE t.version_id = v.id AND i.id = v.image_id AND t.automatic AND v.origin = 'host'
		AND NOT EXISTS (SELECT FROM pane.host_version h WHERE h.name = i.name
			AND h.version = v.version);
	DELETE FROM pane.image_version v USING pane.image i WHERE i.id = v.image_id
		AND v.origin = 'host'
		AND NOT EXISTS (SELECT FROM pane.host_version h WHERE h.name = i.name
			AND h.version = v.version)
		AND NOT EXISTS (SELECT FROM pane.image_tag t WHERE t.version_id = v.id)
		AND NOT EXISTS (SELECT FROM pane.desktop d WHERE d.image = i.name
			AND d.image_version = v.version AND d.state <> 'deleted');
	DELETE FROM pane.image i WHERE NOT EXISTS (SELECT FROM pane.image_version v
		WHERE v.image_id = i.id);
END $$;

CREATE FUNCTION pane.image_found(p_name text, p_version text, p_disk_mib bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE v_image uuid; v_version uuid;
BEGIN
	INSERT INTO pane.image (name) VALUES (p_name) ON CONFLICT DO NOTHING;
	SELECT id INTO v_image FROM pane.image WHERE name = p_name FOR UPDATE;
	INSERT INTO pane.image_version (image_id, version, origin, state, percent, disk_mib)
		VALUES (v_image, p_version, 'host', 'ready', 100, p_disk_mib)
		ON CONFLICT DO NOTHING RETURNING id INTO v_version;
	IF v_version IS NULL THEN
		RETURN;
	END IF;
	INSERT INTO pane.image_tag AS t (image_id, tag, version_id, automatic)
		VALUES (v_image, 'stable', v_version, true)
		ON CONFLICT (image_id, tag) DO UPDATE SET version_id = v_version, moved_at = now()
			WHERE t.automatic;
END $$;

CREATE FUNCTION pane.need_image(p_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v uuid;
BEGIN
	SELECT id INTO v FROM pane.image WHERE name = p_name FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'image.unknown', format('There is no image %s.', p_name));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.need_version(p_name text, p_version text) RETURNS pane.image_version
LANGUAGE plpgsql AS $$
DECLARE v pane.image_version; v_image uuid := pane.need_image(p_name);
BEGIN
	SELECT * INTO v FROM pane.image_version x WHERE x.image_id = v_image
		AND x.version = p_version FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'version.unknown', format('Image %s has no version %s.',
			p_name, p_version));
	END IF;
	RETURN v;
END $$;

CREATE FUNCTION pane.get_image(p_name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('name', i.name, 'versions', coalesce((SELECT jsonb_agg(to_jsonb(v)
		ORDER BY v.created_at DESC) FROM pane.image_version_view v WHERE v.name = i.name), '[]'),
		'pools', coalesce((SELECT jsonb_agg(jsonb_build_object('pool', p.name, 'tag',
		p.image_tag) ORDER BY p.name) FROM pane.pool p WHERE p.image = i.name
		AND p.deleted_at IS NULL), '[]'))::text
	FROM pane.image i WHERE i.name = p_name
$$;

CREATE FUNCTION pane.get_version(p_name text, p_version text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT to_jsonb(v)::text FROM pane.image_version_view v
	WHERE v.name = p_name AND v.version = p_version
$$;

-- "problems": what keeps tagged versions from becoming desktops.
CREATE FUNCTION pane.list_images(p_after text, p_limit integer) RETURNS text
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

CREATE FUNCTION pane.version_create(p_name text, p_size bigint, p_sha256 text, p_changelog text,
	p_by text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_image uuid; v_n integer;
BEGIN
	INSERT INTO pane.image (name) VALUES (p_name) ON CONFLICT DO NOTHING;
	LOOP
		UPDATE pane.image SET numbered = numbered + 1 WHERE name = p_name
			RETURNING id, numbered INTO v_image, v_n;
		INSERT INTO pane.image_version (image_id, version, origin, state, changelog,
			size_bytes, sha256, created_by) VALUES (v_image, v_n::text, 'upload',
			'uploading', p_changelog, p_size, p_sha256, p_by) ON CONFLICT DO NOTHING;
		EXIT WHEN FOUND; -- a host may have named one so
	END LOOP;
	RETURN pane.get_version(p_name, v_n::text);
END $$;

-- Locks the version for one chunk at p_offset; its id. pane.upload_took() follows in the same
-- transaction once the bytes are in the store.
CREATE FUNCTION pane.upload_begin(p_name text, p_version text, p_offset bigint, p_bytes bigint)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE v pane.image_version := pane.need_version(p_name, p_version);
BEGIN
	IF v.state <> 'uploading' THEN
		PERFORM pane.refuse(409, 'upload.over', format('Version %s of image %s is %s%s; it '
			'takes no more data.', p_version, p_name, v.state,
			CASE WHEN v.reason <> '' THEN ' (' || v.reason || ')' ELSE '' END));
	ELSIF p_offset <> v.received_bytes THEN
		PERFORM pane.refuse(409, 'upload.offset', format('%s bytes have arrived; go on there.',
			v.received_bytes), ARRAY['received ' || v.received_bytes]);
	ELSIF p_offset + p_bytes > v.size_bytes THEN
		PERFORM pane.refuse(413, 'upload.large', format('This is more than the announced %s '
			'bytes.', v.size_bytes));
	END IF;
	RETURN v.id;
END $$;

CREATE FUNCTION pane.upload_took(p_id uuid, p_bytes bigint) RETURNS text LANGUAGE sql AS $$
	UPDATE pane.image_version SET received_bytes = received_bytes + p_bytes,
		percent = (100 * (received_bytes + p_bytes) / greatest(size_bytes, 1))::integer,
		since = now(), state = CASE WHEN received_bytes + p_bytes = size_bytes
			THEN 'verifying'::pane.image_state ELSE state END
		WHERE id = p_id
		RETURNING jsonb_build_object('received', received_bytes, 'size', size_bytes,
			'state', state)::text
$$;

-- Moves a tag; where it pointed is remembered for a rollback.
CREATE FUNCTION pane.image_publish(p_name text, p_version text, p_tag text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE v pane.image_version := pane.need_version(p_name, p_version);
BEGIN
	IF v.state NOT IN ('ready', 'retired') THEN
		PERFORM pane.refuse(409, 'version.state', format('Version %s of image %s is %s; only '
			'a ready one can be published.', p_version, p_name, v.state));
	END IF;
	UPDATE pane.image_version SET state = 'ready' WHERE id = v.id AND state = 'retired';
	INSERT INTO pane.image_tag_move (image_id, tag, from_id) SELECT image_id, tag, version_id
		FROM pane.image_tag WHERE image_id = v.image_id AND tag = p_tag
		AND version_id <> v.id;
	INSERT INTO pane.image_tag (image_id, tag, version_id, automatic)
		VALUES (v.image_id, p_tag, v.id, false)
		ON CONFLICT (image_id, tag) DO UPDATE SET version_id = v.id, automatic = false,
			moved_at = now();
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_version(p_name, p_version);
END $$;

CREATE FUNCTION pane.image_rollback(p_name text, p_tag text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_image uuid := pane.need_image(p_name); v_move bigint; v_to uuid; v_version text;
BEGIN
	SELECT m.id, m.from_id, v.version INTO v_move, v_to, v_version FROM pane.image_tag_move m
		JOIN pane.image_version v ON v.id = m.from_id
		WHERE m.image_id = v_image AND m.tag = p_tag AND v.state IN ('ready', 'retired')
		ORDER BY m.id DESC LIMIT 1;
	IF v_move IS NULL THEN
		PERFORM pane.refuse(409, 'tag.first', format('Tag %s of image %s has pointed nowhere '
			'else yet.', p_tag, p_name));
	END IF;
	DELETE FROM pane.image_tag_move WHERE image_id = v_image AND tag = p_tag AND id >= v_move;
	UPDATE pane.image_version SET state = 'ready' WHERE id = v_to AND state = 'retired';
	UPDATE pane.image_tag SET version_id = v_to, automatic = false, moved_at = now()
		WHERE image_id = v_image AND tag = p_tag;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN pane.get_version(p_name, v_version);
END $$;

CREATE FUNCTION pane.version_in_use(v pane.image_version, p_name text) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT coalesce(array_agg(x.t ORDER BY x.t), '{}') FROM (
		SELECT format('tag %s points at it', t.tag) AS t FROM pane.image_tag t
			WHERE t.version_id = v.id
		UNION ALL SELECT format('desktop %s is made from it', d.name) FROM pane.desktop d
			WHERE d.image = p_name AND d.state <> 'deleted'
			AND (d.image_version = v.version OR d.pin_version = v.version)
		UNION ALL SELECT format('host %s has it of its own: pane-host image remove', h.name)
			FROM pane.host_version x JOIN pane.host h ON h.id = x.host_id
			WHERE v.origin = 'host' AND x.name = p_name AND x.version = v.version
	) x
$$;

-- The id of what the store may forget.
CREATE FUNCTION pane.version_delete(p_name text, p_version text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE v pane.image_version := pane.need_version(p_name, p_version); v_used text[];
BEGIN
	v_used := pane.version_in_use(v, p_name);
	IF v_used <> '{}' THEN
		PERFORM pane.refuse(409, 'version.used', format('Version %s of image %s is in use.',
			p_version, p_name), v_used);
	END IF;
	DELETE FROM pane.image_version WHERE id = v.id;
	PERFORM pane.images_sweep();
	RETURN v.id;
END $$;

-- The ids of what the store may forget.
CREATE FUNCTION pane.image_delete(p_name text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_image uuid := pane.need_image(p_name); v_used text[]; v pane.image_version;
	v_ids jsonb := '[]';
BEGIN
	SELECT array_agg(format('pool %s uses it', name) ORDER BY name) INTO v_used FROM pane.pool
		WHERE image = p_name AND deleted_at IS NULL;
	IF v_used IS NOT NULL THEN
		PERFORM pane.refuse(409, 'image.used', format('Image %s is in use.', p_name), v_used);
	END IF;
	DELETE FROM pane.image_tag WHERE image_id = v_image;
	FOR v IN SELECT * FROM pane.image_version WHERE image_id = v_image ORDER BY id LOOP
		v_used := pane.version_in_use(v, p_name);
		IF v_used <> '{}' THEN
			PERFORM pane.refuse(409, 'image.used', format('Version %s of image %s is in use.',
				v.version, p_name), v_used);
		END IF;
		DELETE FROM pane.image_version WHERE id = v.id;
		v_ids := v_ids || to_jsonb(v.id);
	END LOOP;
	DELETE FROM pane.image WHERE id = v_image;
	RETURN v_ids;
END $$;

-- {"id","disk_mib","manifest"} of what can be fetched; NULL otherwise.
CREATE FUNCTION pane.version_files(p_name text, p_version text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', v.id, 'manifest', v.manifest)::text
	FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id
	WHERE i.name = p_name AND v.version = p_version AND v.origin = 'upload'
	AND v.state IN ('ready', 'retired')
$$;

-- Uploads nobody goes on with fail; then the oldest version that waits for work. The caller holds
-- an advisory lock per version, so that each is worked on once.
CREATE FUNCTION pane.image_work() RETURNS text LANGUAGE plpgsql AS $$
DECLARE v record;
BEGIN
	UPDATE pane.image_version SET state = 'failed', reason = 'the upload was not finished within '
		'a day' WHERE state = 'uploading' AND since < now() - interval '1 day';
	FOR v IN SELECT x.id, i.name, x.version, x.size_bytes, x.sha256 FROM pane.image_version x
		JOIN pane.image i ON i.id = x.image_id WHERE x.state IN ('verifying', 'converting')
		ORDER BY x.created_at
	LOOP
		IF pg_try_advisory_lock(1885433448, hashtext(v.id::text)) THEN
			RETURN jsonb_build_object('id', v.id, 'name', v.name, 'version', v.version,
				'size', v.size_bytes, 'sha256', v.sha256)::text;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

CREATE FUNCTION pane.image_work_end(p_id uuid) RETURNS boolean LANGUAGE sql AS $$
	SELECT pg_advisory_unlock(1885433448, hashtext(p_id::text))
$$;

-- False when the version is gone: the work is to be given up.
CREATE FUNCTION pane.image_progress(p_id uuid, p_state text, p_percent integer, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.image_version SET state = p_state::pane.image_state, percent = p_percent,
		reason = p_reason WHERE id = p_id;
	RETURN FOUND;
END $$;

-- The first version of an image is what its pools wait for.
CREATE FUNCTION pane.image_ready(p_id uuid, p_manifest text, p_disk_mib bigint, p_boot text,
	p_boot_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_image uuid;
BEGIN
	UPDATE pane.image_version SET state = 'ready', percent = 100, reason = '',
		manifest = p_manifest::jsonb, disk_mib = p_disk_mib, boot = p_boot,
		boot_reason = left(p_boot_reason, 400) WHERE id = p_id RETURNING image_id INTO v_image;
	IF v_image IS NULL THEN
		RETURN false;
	END IF;
	INSERT INTO pane.image_tag (image_id, tag, version_id, automatic)
		VALUES (v_image, 'stable', p_id, false) ON CONFLICT DO NOTHING;
	PERFORM pg_notify('pane', 'reconcile');
	RETURN true;
END $$;

CREATE FUNCTION pane.image_ids() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'state', state)), '[]')::text
	FROM pane.image_version WHERE origin = 'upload'
$$;
