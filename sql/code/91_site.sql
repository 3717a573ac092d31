-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The gateways of the site and what it looks like (032_site.sql).

-- ---- gateways ----

-- What a gateway tells of itself, at its start, after a reload and once a minute. The broker has checked the form.
CREATE FUNCTION pane.gateway_put(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_old jsonb; v_name text := p ->> 'name';
BEGIN
	SELECT g.certificates INTO v_old FROM pane.gateway g WHERE g.name = v_name;
	IF NOT FOUND AND (SELECT count(*) FROM pane.gateway) >= 200 THEN
		PERFORM pane.refuse(409, 'gateway.many', 'There are 200 gateways already. Forget those that are gone: pane gateways forget NAME.');
	END IF;
	INSERT INTO pane.gateway AS g (name, version, listen, certificates)
		VALUES (v_name, p ->> 'version', p -> 'listen', p -> 'certificates')
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, listen = excluded.listen, seen_at = now(),
			since = CASE WHEN g.certificates = excluded.certificates THEN g.since ELSE now() END,
			certificates = excluded.certificates;
	IF v_old IS DISTINCT FROM p -> 'certificates' THEN
		INSERT INTO pane.event (kind, name, to_state) VALUES ('gateway', v_name, 'certificates');
	END IF;
	RETURN '{"again_s": 60}';
END $$;

-- Until when it is good, in words of what to do: nothing while it is good for longer than a month.
CREATE FUNCTION pane.certificate_next(c jsonb, p_state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN p_state = 'good' THEN ''
		WHEN c ->> 'use' = 'ca' THEN 'The CA of the site ends: every host and gateway gets a certificate of a new one. See docs/backup.md.'
		WHEN c ->> 'use' = 'hosts' OR c ->> 'issuer' LIKE '%Pane internal CA%' THEN
			format('On this gateway run "pane-setup site --name NAME" again, which renews %s, then "systemctl reload pane-gateway".',
			c ->> 'file')
		ELSE format('Put the new chain and key into %s and its key file (cert and key of gateway.conf), then "systemctl reload pane-gateway".',
			c ->> 'file') END
$$;

CREATE FUNCTION pane.certificate_view(c jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT c || jsonb_build_object('days', x.days, 'state', x.state, 'next', pane.certificate_next(c, x.state))
	FROM (SELECT floor(extract(epoch FROM t.ends - now()) / 86400)::integer AS days,
		CASE WHEN t.ends <= now() OR t.begins > now() THEN 'bad' WHEN t.ends < now() + interval '30 days' THEN 'soon' ELSE 'good' END AS state
		FROM (SELECT (c ->> 'not_after')::timestamptz AS ends, (c ->> 'not_before')::timestamptz AS begins) t) x
$$;

-- A gateway that said nothing for three minutes is silent.
CREATE FUNCTION pane.list_gateways(p_after text, p_limit integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT pane.page(coalesce(jsonb_agg(to_jsonb(x)), '[]'), 'name', p_limit) FROM (
		SELECT g.name, CASE WHEN g.seen_at > now() - interval '3 min' THEN 'online' ELSE 'silent' END AS state,
			pane.seconds_since(g.seen_at) AS seen_s, g.version, g.listen, g.since,
			(SELECT coalesce(jsonb_agg(pane.certificate_view(c) ORDER BY n), '[]')
				FROM jsonb_array_elements(g.certificates) WITH ORDINALITY y (c, n)) AS certificates
		FROM pane.gateway g WHERE g.name > p_after ORDER BY g.name LIMIT p_limit + 1) x
$$;

CREATE FUNCTION pane.gateway_forget(p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM pane.gateway WHERE name = p_name;
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'gateway.unknown', format('There is no gateway named %s.', p_name));
	END IF;
END $$;

-- ---- what the site looks like ----

-- "logo" is what its picture is asked for by: it changes with the picture.
CREATE FUNCTION pane.get_branding() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('name', b.name, 'login_text', b.login_text, 'support', b.support, 'accent', b.accent,
		'logo', left(encode(sha256(b.logo), 'hex'), 16))::text FROM pane.branding b
$$;

-- What is left out stays; a logo is base64 of a PNG the broker has checked, null takes it away.
CREATE FUNCTION pane.branding_set(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pane.branding b SET name = coalesce(p ->> 'name', b.name), login_text = coalesce(p ->> 'login_text', b.login_text),
		support = coalesce(p ->> 'support', b.support), accent = coalesce(p ->> 'accent', b.accent),
		logo = CASE WHEN p ? 'logo' THEN decode(p ->> 'logo', 'base64') ELSE b.logo END;
	RETURN pane.get_branding();
END $$;

CREATE FUNCTION pane.get_logo() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('etag', left(encode(sha256(b.logo), 'hex'), 16), 'png',
		translate(encode(b.logo, 'base64'), E'\n', ''))::text FROM pane.branding b WHERE b.logo IS NOT NULL
$$;

-- ---- what is under way ----

-- Every long action with how far it is: updates of pools, images on their way into the store and to hosts, hosts that are
-- emptied, pools that fill up. "percent" is null where nobody can tell.
CREATE FUNCTION pane.list_tasks() RETURNS text LANGUAGE sql STABLE AS $$
	WITH rollouts AS (SELECT DISTINCT ON (r.pool_id) r.id, p.name, r.version, r.state::text, r.reason, r.created_by, r.created_at
			FROM pane.rollout r JOIN pane.pool p ON p.id = r.pool_id AND p.deleted_at IS NULL ORDER BY r.pool_id, r.id DESC),
	tasks AS (
		SELECT 'rollout' AS kind, r.name, r.version AS what, r.state, r.reason, r.created_by AS by, r.created_at AS since,
			count(x.name) FILTER (WHERE x.state = 'done') AS done, count(x.name) AS total,
			coalesce(100 * count(x.name) FILTER (WHERE x.state = 'done') / nullif(count(x.name), 0), 100) AS percent
			FROM rollouts r LEFT JOIN pane.rollout_desktop x ON x.rollout_id = r.id
			WHERE r.state IN ('running', 'paused', 'failed') GROUP BY 1, 2, 3, 4, 5, 6, 7
		UNION ALL SELECT 'image', i.name, v.version, v.state::text, v.reason, v.created_by, v.created_at, NULL, NULL,
			CASE WHEN v.state = 'uploading' THEN 100 * v.received_bytes / nullif(v.size_bytes, 0) ELSE v.percent END
			FROM pane.image_version v JOIN pane.image i ON i.id = v.image_id WHERE v.state IN ('uploading', 'verifying', 'converting')
		UNION ALL SELECT 'copy', v.name, h.name, 'running', v.reason, '', NULL, NULL, NULL, v.percent
			FROM pane.host_version v JOIN pane.host h ON h.id = v.host_id AND h.online WHERE v.state = 'pulling'
		UNION ALL SELECT 'drain', h.name, '', 'draining', h.drain_reason, coalesce(h.drained_by, ''), h.drained_at, NULL, count(d.id), NULL
			FROM pane.host h JOIN pane.desktop d ON d.host_id = h.id AND d.state <> 'deleted' WHERE h.maintenance GROUP BY h.id
		UNION ALL SELECT 'fill', p.name, '', CASE WHEN p.blocked = '{}' THEN 'running' ELSE 'waiting' END, coalesce(p.blocked[1], ''), '', min(d.since),
			count(d.id) FILTER (WHERE d.state = 'ready'), count(d.id),
			100 * count(d.id) FILTER (WHERE d.state = 'ready') / count(d.id)
			FROM pane.pool p JOIN pane.desktop d ON d.pool_id = p.id AND d.user_id IS NULL AND d.state IN ('requested', 'cloning', 'booting', 'ready')
			WHERE p.deleted_at IS NULL GROUP BY p.id HAVING count(d.id) FILTER (WHERE d.state <> 'ready') > 0)
	SELECT jsonb_build_object('items', coalesce(jsonb_agg(to_jsonb(t) ORDER BY kind, name, what), '[]'))::text FROM tasks t
$$;
