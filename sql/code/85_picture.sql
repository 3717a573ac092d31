-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Pictures of desktops: made only while somebody looks, shown only to whom the desktop is or who helps people.
-- Looking is a lease: asked for again before it ends, or the host is told to stop. That somebody looks at
-- another one's screen is in the audit, once for as long as they do.

CREATE FUNCTION pane.picture_may(d pane.desktop, p_user uuid, p_all boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT p_all OR d.user_id IS NOT DISTINCT FROM p_user
$$;

-- A picture is of the user's screen who had the desktop then; it is good while they have it.
CREATE FUNCTION pane.picture_of(d pane.desktop) RETURNS pane.picture LANGUAGE sql STABLE AS $$
	SELECT p FROM pane.picture p WHERE p.desktop_id = d.id AND p.user_id IS NOT DISTINCT FROM d.user_id
$$;

CREATE FUNCTION pane.watch_begin(p_who jsonb, p_names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_user uuid := (p_who ->> 'id')::uuid; v_all boolean := (p_who ->> 'all')::boolean; v_hosts uuid[]; v_others text[];
BEGIN
	SELECT array_agg(DISTINCT d.host_id) FILTER (WHERE NOT EXISTS (SELECT FROM pane.watch w
			WHERE w.desktop_id = d.id AND w.until > now())),
		array_agg(d.name ORDER BY d.name) FILTER (WHERE d.user_id <> v_user AND NOT EXISTS (SELECT FROM pane.watch w
			WHERE w.desktop_id = d.id AND w.user_id = v_user AND w.until > now()))
		INTO v_hosts, v_others
		FROM pane.desktop d WHERE d.name = ANY (p_names) AND d.state <> 'deleted' AND d.host_id IS NOT NULL
		AND pane.picture_may(d, v_user, v_all);
	INSERT INTO pane.watch AS w (desktop_id, user_id, until)
		SELECT d.id, v_user, now() + interval '60 s' FROM pane.desktop d WHERE d.name = ANY (p_names)
			AND d.state <> 'deleted' AND d.host_id IS NOT NULL AND pane.picture_may(d, v_user, v_all)
		ORDER BY d.id
		ON CONFLICT (desktop_id, user_id) DO UPDATE SET until = excluded.until
			WHERE w.until < now() + interval '40 s';
	PERFORM pane.bump(h) FROM unnest(v_hosts) h ORDER BY h;
	IF v_others IS NOT NULL THEN
		INSERT INTO pane.audit (conn, actor, action, object, outcome, client, detail)
			VALUES (p_who ->> 'conn', p_who ->> 'name', 'picture.look', CASE WHEN cardinality(v_others) = 1
			THEN v_others[1] ELSE format('%s desktops', cardinality(v_others)) END, 'ok', p_who ->> 'client',
			left(array_to_string(v_others, ' '), 2000));
	END IF;
END $$;

-- p_who: {"id","name","all","conn","client"}; p_ask: {"desktops":[name],"known":{name:etag}}. What is known is
-- answered without its picture.
CREATE FUNCTION pane.pictures(p_who jsonb, p_ask jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_names text[];
BEGIN
	SELECT array_agg(x) INTO v_names FROM jsonb_array_elements_text(p_ask -> 'desktops') x;
	PERFORM pane.watch_begin(p_who, v_names);
	RETURN (SELECT jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('desktop', d.name, 'etag', p.etag,
			'at', p.at) || CASE WHEN p_ask -> 'known' ->> d.name IS DISTINCT FROM p.etag
			THEN jsonb_build_object('jpeg', p.jpeg) ELSE '{}' END ORDER BY d.name), '[]'))::text
		FROM pane.desktop d CROSS JOIN LATERAL pane.picture_of(d) p
		WHERE d.name = ANY (v_names) AND d.state <> 'deleted' AND p.etag IS NOT NULL
		AND pane.picture_may(d, (p_who ->> 'id')::uuid, (p_who ->> 'all')::boolean));
END $$;

-- One of them; who may not see it hears what they hear of a desktop that is not there.
CREATE FUNCTION pane.picture(p_who jsonb, p_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v pane.picture;
BEGIN
	PERFORM FROM pane.desktop d WHERE d.name = p_name AND d.state <> 'deleted'
		AND pane.picture_may(d, (p_who ->> 'id')::uuid, (p_who ->> 'all')::boolean);
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'desktop.unknown', format('There is no desktop %s for you.', p_name));
	END IF;
	PERFORM pane.watch_begin(p_who, ARRAY[p_name]);
	SELECT p.* INTO v FROM pane.desktop d CROSS JOIN LATERAL pane.picture_of(d) p WHERE d.name = p_name
		AND d.state <> 'deleted' AND p.etag IS NOT NULL;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'picture.none', format('There is no picture of desktop %s yet. One is made while '
			'somebody looks and the desktop runs: ask again in a few seconds.', p_name));
	END IF;
	RETURN jsonb_build_object('etag', v.etag, 'jpeg', v.jpeg)::text;
END $$;

-- What a host hands in: [{"id","epoch","jpeg"}]. Of another life of the desktop, or of another host's: nothing.
CREATE FUNCTION pane.pictures_put(p_host uuid, p_list jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
	INSERT INTO pane.picture AS p (desktop_id, user_id, jpeg, etag)
		SELECT DISTINCT ON (d.id) d.id, d.user_id, x ->> 'jpeg', md5(x ->> 'jpeg')
		FROM jsonb_array_elements(p_list) WITH ORDINALITY AS l (x, nr)
		JOIN pane.desktop d ON d.id = (x ->> 'id')::uuid AND d.host_id = p_host AND d.epoch = (x ->> 'epoch')::bigint
			AND d.state <> 'deleted'
		ORDER BY d.id, nr DESC
		ON CONFLICT (desktop_id) DO UPDATE SET user_id = excluded.user_id, jpeg = excluded.jpeg, etag = excluded.etag,
			at = now(), txid = pg_current_xact_id()::text::bigint;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- The desktops of a host somebody looks at.
CREATE FUNCTION pane.host_watched(p_host uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT coalesce(jsonb_agg(d.id ORDER BY d.id), '[]') FROM pane.desktop d WHERE d.host_id = p_host
		AND d.state NOT IN ('deleted', 'requested')
		AND EXISTS (SELECT FROM pane.watch w WHERE w.desktop_id = d.id AND w.until > now())
$$;

-- (settled up to, whose, names) of pictures that changed after a transaction.
CREATE FUNCTION pane.pictures_after(p_txid bigint) RETURNS TABLE (upto bigint, user_name text, names text)
LANGUAGE sql STABLE AS $$
	SELECT pane.event_now(), coalesce(u.name, ''), jsonb_agg(d.name ORDER BY d.name)::text
	FROM pane.picture p JOIN pane.desktop d ON d.id = p.desktop_id LEFT JOIN pane.users u ON u.id = d.user_id
	WHERE p.txid > p_txid AND p.txid <= pane.event_now() AND p.user_id IS NOT DISTINCT FROM d.user_id
	GROUP BY u.name
$$;

CREATE FUNCTION pane.picture_purge() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pane.watch WHERE until < now();
	DELETE FROM pane.picture p USING pane.desktop d WHERE d.id = p.desktop_id
		AND (d.state = 'deleted' OR p.user_id IS DISTINCT FROM d.user_id);
$$;
