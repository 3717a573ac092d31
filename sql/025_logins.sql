-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The login path in one statement and one commit each way: a ticket for a desktop that is ready, and a
-- ticket turned into a grant. What is not that plain goes the longer way in the broker.

-- A pool may keep to some protocols.
ALTER FUNCTION pane.session_begin(uuid, uuid, bigint, text, text, text) RENAME TO session_begin_024;
CREATE FUNCTION pane.session_begin(p_user uuid, p_desktop uuid, p_epoch bigint, p_protocol text,
	p_client text, p_conn text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_only jsonb;
BEGIN
	SELECT p.policy -> 'protocols' INTO v_only FROM pane.desktop d JOIN pane.pool p ON p.id = d.pool_id
		WHERE d.id = p_desktop;
	IF v_only IS NOT NULL AND NOT v_only ? p_protocol THEN
		PERFORM pane.refuse(403, 'protocol.refused', format('This desktop is not reached by %s, but by %s.',
			p_protocol, (SELECT string_agg(x, ', ') FROM jsonb_array_elements_text(v_only) x)));
	END IF;
	RETURN pane.session_begin_024(p_user, p_desktop, p_epoch, p_protocol, p_client, p_conn);
END $$;

-- The name of the desktop the ticket is for; NULL when it cannot be given now. An assignment made on the
-- way stays, as a user who asks again expects.
CREATE FUNCTION pane.ticket_give(p_user uuid, p_pool text, p_hash bytea, p_source text, p_ttl_s integer,
	p_actor text, p_client text, p_conn text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_pool uuid := (pane.pick_pool(p_user, p_pool) ->> 'pool')::uuid; o jsonb;
BEGIN
	IF v_pool IS NULL THEN
		RETURN NULL;
	END IF;
	o := pane.assign(p_user, v_pool);
	IF o ->> 'state' IS DISTINCT FROM 'ready'
		OR NOT pane.ticket_create(p_user, (o ->> 'id')::uuid, p_hash, p_source, p_ttl_s) THEN
		RETURN NULL;
	END IF;
	INSERT INTO pane.audit (conn, actor, action, object, outcome, client)
		VALUES (p_conn, p_actor, 'ticket.create', o ->> 'desktop', 'ok', p_client);
	RETURN o ->> 'desktop';
END $$;

-- pane.ticket_redeem(), and when the desktop is ready also the session and the audit: then the answer has
-- "name", "host", "address" and "epoch" as well, and the grant may be signed.
CREATE FUNCTION pane.connect_ticket(p_hash bytea, p_source text, p_protocol text, p_client text,
	p_conn text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE o jsonb := pane.ticket_redeem(p_hash, p_source); d record;
BEGIN
	IF o ->> 'ok' IS NULL THEN
		RETURN o;
	END IF;
	SELECT x.id, x.name, x.epoch, h.id AS host, h.address INTO d FROM pane.desktop x
		JOIN pane.host h ON h.id = x.host_id AND h.address <> ''
		WHERE x.id = (o ->> 'desktop')::uuid AND x.state = 'ready';
	IF NOT FOUND OR NOT pane.session_begin((o ->> 'user_id')::uuid, d.id, d.epoch, p_protocol, p_client,
		p_conn) THEN
		RETURN o;
	END IF;
	INSERT INTO pane.audit (conn, actor, action, object, outcome, client)
		VALUES (p_conn, o ->> 'user', 'connect', d.name, 'ok', p_client);
	RETURN o || jsonb_build_object('name', d.name, 'host', d.host, 'address', d.address, 'epoch', d.epoch);
END $$;
