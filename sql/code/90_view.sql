-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Rows as the API shows them. Lists are built as JSON text from these; p_after of a list is the last name
-- of the page before ('' = from the start), and "next" is there when more follow. pane.within: the pools of who has a role in some
-- pools only (46_delegation.sql); empty for everybody else.

CREATE VIEW pane.user_view AS
	SELECT u.name, u.role, u.disabled, u.created_at, u.last_login_at,
		coalesce((SELECT jsonb_agg(p.name ORDER BY p.name) FROM pane.entitlement e
			JOIN pane.pool p ON p.id = e.pool_id AND p.deleted_at IS NULL
			WHERE e.user_id = u.id), '[]') AS pools,
		coalesce((SELECT jsonb_agg(g.name ORDER BY g.name) FROM pane.membership m
			JOIN pane.groups g ON g.id = m.group_id WHERE m.user_id = u.id), '[]') AS groups,
		u.full_name, u.email,
		EXISTS (SELECT FROM pane.welcome w WHERE w.user_id = u.id AND w.expires_at > now()) AS welcome_open,
		pane.has_totp(u.id) AS totp, u.origin
	FROM pane.users u WHERE u.deleted_at IS NULL;

CREATE VIEW pane.group_view AS
	SELECT g.name, g.description, g.created_at, g.origin,
		(SELECT count(*) FROM pane.membership m WHERE m.group_id = g.id) AS members,
		coalesce((SELECT jsonb_agg(p.name ORDER BY p.name) FROM pane.group_entitlement e
			JOIN pane.pool p ON p.id = e.pool_id AND p.deleted_at IS NULL
			WHERE e.group_id = g.id), '[]') AS pools
	FROM pane.groups g;

CREATE VIEW pane.token_view AS
	SELECT t.id, u.name AS user, t.name, coalesce(t.scope, u.role) AS scope, t.created_at, t.expires_at,
		t.last_used_at
	FROM pane.token t JOIN pane.users u ON u.id = t.user_id WHERE t.name <> '' AND t.expires_at > now();

-- A list of pools does not carry their scripts.
CREATE VIEW pane.pool_view AS
	SELECT p.name, p.image, p.cpus, p.memory_mib, p.disk_mib, p.size_max, p.spare, p.assignment,
		p.isolation, p.logoff_after_s, to_jsonb(p.blocked) AS blocked,
		count(d.*) AS desktops,
		count(d.*) FILTER (WHERE d.state = 'ready' AND d.user_id IS NULL AND NOT d.dirty) AS ready,
		count(d.user_id) AS assigned,
		count(d.*) FILTER (WHERE d.state = 'failed') AS failed,
		pane.resets(p) AS reset, p.image_tag, pane.pool_version(p.id) AS image_version, p.home_mib,
		coalesce((SELECT c.body - 'script' FROM pane.customization c WHERE c.id = p.customize),
			'{}') AS customize,
		CASE WHEN p.stopped_at IS NULL THEN 'active' ELSE 'stopped' END AS state, p.stopped_reason
	FROM pane.pool p LEFT JOIN pane.desktop d ON d.pool_id = p.id AND d.state <> 'deleted'
	WHERE p.deleted_at IS NULL AND pane.shown(p.id) GROUP BY p.id;

CREATE VIEW pane.desktop_view AS
	SELECT d.name, d.id, p.name AS pool, d.state, d.reason, d.want, d.epoch, h.name AS host,
		u.name AS user, d.dirty, d.image, d.cpus, d.memory_mib, d.retries, d.retry_at,
		d.since, pane.seconds_since(d.since) AS since_s, coalesce(s.state, 'none') AS session,
		s.id AS session_id,
		d.isolation, d.image_version
	FROM pane.desktop d LEFT JOIN pane.pool p ON p.id = d.pool_id
	LEFT JOIN pane.host h ON h.id = d.host_id LEFT JOIN pane.users u ON u.id = d.user_id
	LEFT JOIN pane.session s ON s.desktop_id = d.id AND s.state <> 'ended'
	WHERE d.state <> 'deleted' AND pane.shown(d.pool_id);

CREATE VIEW pane.session_view AS
	SELECT s.id, d.name AS desktop, s.user_name AS user, s.state, s.reason, s.protocol, s.client,
		s.conn, s.viewers, s.since, pane.seconds_since(s.since) AS since_s, s.created_at,
		to_jsonb(s.warned) AS warned, pane.helpers_of(s.id) AS helpers
	FROM pane.session s JOIN pane.desktop d ON d.id = s.desktop_id WHERE s.state <> 'ended'
	AND pane.shown(d.pool_id);

CREATE VIEW pane.host_view AS
	SELECT h.name, h.id, CASE WHEN h.enrolled_at IS NULL THEN 'created' WHEN h.online AND h.maintenance
			THEN CASE WHEN EXISTS (SELECT FROM pane.desktop d WHERE d.host_id = h.id AND d.state <> 'deleted')
			THEN 'draining' ELSE 'drained' END WHEN h.online THEN 'online'
		WHEN h.last_sync_at IS NULL THEN 'enrolled' ELSE 'lost' END AS state,
		h.address, h.cpus, h.memory_mib, h.memory_free_mib, h.memory_available_mib, h.disk_free_mib, h.kvm,
		h.maintenance, h.last_sync_at, pane.seconds_since(h.last_sync_at) AS last_sync_s,
		coalesce((SELECT jsonb_agg(i.name ORDER BY i.name) FROM pane.host_image i
			WHERE i.host_id = h.id), '[]') AS images,
		(SELECT count(*) FROM pane.desktop d WHERE d.host_id = h.id AND d.state <> 'deleted')
			AS desktops,
		h.vm, h.vm_why, h.container, h.container_why, h.limits,
		CASE WHEN h.vm AND h.kvm <> 'none' THEN ARRAY['vm'] ELSE '{}' END
			|| CASE WHEN h.container THEN ARRAY['container'] ELSE '{}' END AS runs,
		h.drain_reason, nullif(h.drained_by, '') AS drained_by, h.drained_at,
		(SELECT count(*) FROM pane.desktop d WHERE d.host_id = h.id AND d.state <> 'deleted'
			AND d.user_id IS NOT NULL) AS assigned, h.storage
	FROM pane.host h;

CREATE VIEW pane.image_version_view AS
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

-- Also what hosts have and no row names: left behind by a restore of the database, or by a host that was
-- enrolled anew. Listed, so that somebody can look at it; nothing but their order deletes it.
CREATE VIEW pane.home_view AS
	SELECT format('%s/%s/%s', m.user_name, m.pool_name, m.key) AS id, m.key, m.user_name AS user,
		m.pool_name AS pool, h.name AS host, m.state::text, m.reason,
		coalesce((SELECT max(x.mib) FROM pane.host_home x WHERE x.key = m.key), 0) AS mib,
		coalesce((SELECT max(x.used_mib) FROM pane.host_home x WHERE x.key = m.key), 0) AS used_mib,
		coalesce((SELECT jsonb_agg(y.name ORDER BY y.name) FROM pane.host_home x
			JOIN pane.host y ON y.id = x.host_id WHERE x.key = m.key), '[]') AS on_hosts,
		(SELECT min(d.name) FROM pane.desktop d WHERE d.home = m.key AND d.state <> 'deleted')
			AS desktop, m.created_at, m.used_at, m.orphan_at
	FROM pane.home m LEFT JOIN pane.host h ON h.id = m.host_id
	UNION ALL
	SELECT format('//%s', x.key), x.key, '', '', min(h.name), 'left', 'on the host, but of nobody this '
		'site knows: look into it there, or delete it', max(x.mib), max(x.used_mib),
		jsonb_agg(h.name ORDER BY h.name), (SELECT min(d.name) FROM pane.desktop d
			WHERE d.home = x.key AND d.state <> 'deleted'), NULL, NULL, NULL
	FROM pane.host_home x JOIN pane.host h ON h.id = x.host_id
	WHERE NOT EXISTS (SELECT FROM pane.home m WHERE m.key = x.key) GROUP BY x.key;
