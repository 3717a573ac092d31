-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Looking at somebody's live session, and helping in it.

ALTER TABLE pane.pool ADD COLUMN shadow text NOT NULL DEFAULT 'off'
	CHECK (shadow IN ('off', 'ask', 'notice')); -- ask: its user must agree; notice: is told

ALTER TABLE pane.host ADD COLUMN shadow boolean NOT NULL DEFAULT false; -- its agent and displays can

ALTER TABLE pane.message
	DROP CONSTRAINT message_kind_check,
	ADD CONSTRAINT message_kind_check CHECK (kind IN ('person', 'idle', 'max', 'hours', 'elsewhere', 'ask'));

-- One wish of one helper: asked for, agreed to (then a ticket may be used once), seen by the host, over. Who looked
-- at whom from when to when stays in the audit.
CREATE TABLE pane.shadow (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	session_id uuid NOT NULL REFERENCES pane.session ON DELETE CASCADE,
	desktop_id uuid NOT NULL REFERENCES pane.desktop ON DELETE CASCADE,
	helper_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	helper text NOT NULL,
	mode text NOT NULL CHECK (mode IN ('view', 'control')),
	state text NOT NULL CHECK (state IN ('asking', 'agreed', 'connecting', 'viewing', 'ended')),
	reason text NOT NULL DEFAULT '',
	message_id bigint,                   -- the question on the screen
	hash bytea UNIQUE CHECK (length(hash) = 32), -- of the ticket
	epoch bigint,
	source text NOT NULL DEFAULT '',     -- address the ticket was issued to; '' = unknown
	conn text NOT NULL DEFAULT '',
	client text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,     -- of what it waits for
	began_at timestamptz,
	ended_at timestamptz
);
CREATE INDEX shadow_desktop ON pane.shadow (desktop_id) WHERE state <> 'ended';
CREATE INDEX shadow_conn ON pane.shadow (conn) WHERE conn <> '';
CREATE INDEX shadow_session ON pane.shadow (session_id);
