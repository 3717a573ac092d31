-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Policy of pools: what their sessions' timers do.

ALTER TABLE pane.pool
	ADD COLUMN idle_action text NOT NULL DEFAULT 'disconnect'
		CHECK (idle_action IN ('disconnect', 'logoff')),
	ADD COLUMN disconnected_action text -- NULL: by assignment (pane.disconnected_s)
		CHECK (disconnected_action IN ('keep', 'logoff')),
	ADD COLUMN session_max_action text NOT NULL DEFAULT 'logoff'
		CHECK (session_max_action IN ('disconnect', 'logoff')),
	ADD COLUMN warn_s integer NOT NULL DEFAULT 60 CHECK (warn_s BETWEEN 0 AND 3600);

-- Viewers of a session that was cut are ended for as long as they are seen, but for those let in since.
ALTER TABLE pane.session
	ADD COLUMN warned text[] NOT NULL DEFAULT '{}', -- of these timers: idle, disconnected, max
	ADD COLUMN max_from timestamptz,                -- session_max_s counts from here; NULL: created_at
	ADD COLUMN cut_at timestamptz,
	ADD COLUMN admitted text[] NOT NULL DEFAULT '{}', -- conns let in since cut_at
	ADD COLUMN ending text NOT NULL DEFAULT '';       -- why its viewers are being ended
