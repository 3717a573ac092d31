-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What the console asks for: desktops a page at a time in any order, a desktop made for somebody before
-- they first log in, one's own desktop restarted, and events for what changed without any.

-- One page of the desktops that match, how many there are, and for each choice how many it would leave.
-- '' = any. p_text: words, each of which is part of some column. p_sort: a column, "-" before it for
-- downwards. Names sort by their number: office-2 comes before office-10. Planned for what is asked each time: a plan
-- for any question loops over hosts and sessions for each of 10,000 desktops and takes four times as long.
CREATE FUNCTION pane.desktop_page(p_offset bigint, p_limit integer, p_sort text, p_pool text, p_state text,
	p_host text, p_user text, p_text text) RETURNS text LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
BEGIN
	RETURN (WITH sought AS (SELECT array_agg('%' || regexp_replace(w, '([\\%_])', '\\\1', 'g') || '%') AS words
		FROM regexp_split_to_table(lower(trim(p_text)), '\s+') w),
	base AS MATERIALIZED (SELECT v.* FROM pane.desktop_view v WHERE (p_user = '' OR v.user = p_user)
		AND (p_text = '' OR lower(concat_ws(E'\n', v.name, v.user, v.pool, v.host, v.state, v.session, v.reason))
			LIKE ALL ((SELECT words FROM sought)::text[]))),
	found AS MATERIALIZED (SELECT * FROM base v WHERE (p_pool = '' OR v.pool = p_pool)
		AND (p_state = '' OR v.state::text = p_state) AND (p_host = '' OR v.host = p_host)),
	-- Only the page's rows are sorted to their places and become JSON.
	keyed AS (SELECT f AS whole, f.name, CASE ltrim(p_sort, '-') WHEN 'state' THEN f.state::text
			WHEN 'user' THEN coalesce(f.user, '') WHEN 'session' THEN f.session::text WHEN 'pool' THEN coalesce(f.pool, '')
			WHEN 'host' THEN coalesce(f.host, '') WHEN 'reason' THEN f.reason ELSE '' END COLLATE "C" AS word,
		CASE p_sort WHEN 'since' THEN f.since_s WHEN '-since' THEN -f.since_s ELSE 0 END AS number,
		rtrim(f.name, '0123456789') COLLATE "C" AS stem FROM found f),
	page AS (SELECT whole FROM keyed ORDER BY CASE WHEN p_sort NOT LIKE '-%' THEN word END,
		CASE WHEN p_sort LIKE '-%' THEN word END DESC, number,
		CASE WHEN p_sort = '-name' THEN stem END DESC, CASE WHEN p_sort = '-name' THEN length(name) END DESC,
		CASE WHEN p_sort = '-name' THEN name COLLATE "C" END DESC, stem, length(name), name COLLATE "C"
		LIMIT p_limit OFFSET p_offset)
	SELECT jsonb_build_object('items', (SELECT coalesce(jsonb_agg(to_jsonb(whole)), '[]') FROM page),
		'total', (SELECT count(*) FROM found), 'all', (SELECT count(*) FROM base),
		'assigned', (SELECT count(v.user) FROM found v),
		'counts', jsonb_build_object('state', (SELECT coalesce(jsonb_object_agg(s, n), '{}') FROM (SELECT v.state::text
			AS s, count(*) AS n FROM base v WHERE (p_pool = '' OR v.pool = p_pool)
			AND (p_host = '' OR v.host = p_host) GROUP BY 1) x),
		'pool', (SELECT coalesce(jsonb_object_agg(s, n), '{}') FROM (SELECT v.pool AS s, count(*) AS n FROM base v
			WHERE v.pool IS NOT NULL AND (p_state = '' OR v.state::text = p_state)
			AND (p_host = '' OR v.host = p_host) GROUP BY 1) x),
		'host', (SELECT coalesce(jsonb_object_agg(s, n), '{}') FROM (SELECT v.host AS s, count(*) AS n FROM base v
			WHERE v.host IS NOT NULL AND (p_state = '' OR v.state::text = p_state)
			AND (p_pool = '' OR v.pool = p_pool) GROUP BY 1) x)))::text);
END $$;

-- Restarts a desktop for who has it; to everybody else there is no such desktop.
CREATE FUNCTION pane.my_restart(p_user uuid, p_name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM pane.desktop WHERE name = p_name AND user_id = p_user AND state <> 'deleted';
	IF NOT FOUND THEN
		PERFORM pane.refuse(404, 'desktop.unknown', format('You have no desktop named %s.', p_name));
	END IF;
	PERFORM pane.desktop_action(p_name, 'restart');
	RETURN (SELECT jsonb_build_object('desktop', d.name, 'machine', d.state, 'message', pane.desktop_message(d))::text
		FROM pane.desktop d WHERE d.name = p_name AND d.state <> 'deleted');
END $$;

-- ---- events ----

-- An image on its way, and a pool that can or cannot add desktops.
CREATE FUNCTION pane.image_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.event (kind, name, from_state, to_state, reason) SELECT 'image', i.name, OLD.state, NEW.state,
		NEW.reason FROM pane.image i WHERE i.id = NEW.image_id;
	RETURN NULL;
END $$;
CREATE TRIGGER image_event AFTER UPDATE OF state, percent ON pane.image_version FOR EACH ROW
	WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.percent IS DISTINCT FROM NEW.percent)
	EXECUTE FUNCTION pane.image_event();

CREATE FUNCTION pane.pool_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.event (kind, name, to_state, reason) VALUES ('pool', NEW.name,
		CASE WHEN NEW.blocked = '{}' THEN 'free' ELSE 'blocked' END, coalesce(NEW.blocked[1], ''));
	RETURN NULL;
END $$;
CREATE TRIGGER pool_event AFTER UPDATE OF blocked ON pane.pool FOR EACH ROW
	WHEN (OLD.blocked IS DISTINCT FROM NEW.blocked) EXECUTE FUNCTION pane.pool_event();

CREATE FUNCTION pane.rollout_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO pane.event (kind, name, to_state, reason) SELECT 'pool', p.name, 'update', NEW.state::text
		FROM pane.pool p WHERE p.id = NEW.pool_id;
	RETURN NULL;
END $$;
CREATE TRIGGER rollout_event AFTER UPDATE OF state ON pane.rollout FOR EACH ROW
	WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION pane.rollout_event();
