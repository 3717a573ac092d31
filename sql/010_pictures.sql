-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Small pictures of desktops, and who looks at them; why a host is drained.
--
-- Neither picture nor look is worth a line of the write-ahead log: after a
-- crash the tables are empty, whoever looks asks again, and the hosts make new ones. They are tables and not a
-- broker's memory so that any broker has what a host gave to another.

CREATE UNLOGGED TABLE pane.picture (
	desktop_id uuid PRIMARY KEY REFERENCES pane.desktop ON DELETE CASCADE,
	user_id uuid,                       -- whose screen it was; shown to nobody's successor
	jpeg text NOT NULL CHECK (jpeg ~ '^/9j/[A-Za-z0-9+/]+={0,2}$' AND length(jpeg) <= 90000), -- base64
	etag text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
ALTER TABLE pane.picture ALTER COLUMN jpeg SET STORAGE EXTERNAL; -- it is compressed

CREATE UNLOGGED TABLE pane.watch (
	desktop_id uuid NOT NULL REFERENCES pane.desktop ON DELETE CASCADE,
	user_id uuid NOT NULL,
	until timestamptz NOT NULL,
	PRIMARY KEY (desktop_id, user_id)
);

ALTER TABLE pane.host
	ADD COLUMN drain_reason text NOT NULL DEFAULT '' CHECK (length(drain_reason) <= 200),
	ADD COLUMN drained_by text NOT NULL DEFAULT '',
	ADD COLUMN drained_at timestamptz;
