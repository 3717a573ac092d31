-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What happened. Insert only, enforced by a trigger (code/01_history.sql) and by the runtime role's rights.

-- To machines, sessions and hosts. Read in order of (txid, id): see pane.events_after().
CREATE TABLE pane.event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	txid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind text NOT NULL,
	desktop_id uuid,
	session_id uuid,
	host_id uuid,
	name text NOT NULL DEFAULT '',
	user_name text NOT NULL DEFAULT '', -- whose desktop or session; they may see it
	from_state text NOT NULL DEFAULT '',
	to_state text NOT NULL DEFAULT '',
	epoch bigint NOT NULL DEFAULT 0,
	reason text NOT NULL DEFAULT ''
);
CREATE INDEX event_desktop ON pane.event (desktop_id, id);
CREATE INDEX event_order ON pane.event (txid, id);

-- Who did what, with what outcome.
CREATE TABLE pane.audit (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	conn text NOT NULL DEFAULT '',
	actor text NOT NULL DEFAULT '',
	action text NOT NULL,
	object text NOT NULL DEFAULT '',
	outcome text NOT NULL,
	detail text NOT NULL DEFAULT '',
	client text NOT NULL DEFAULT '',
	before jsonb,
	after jsonb
);
