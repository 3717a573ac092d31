-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What is said to whoever is at a desktop, on its screen.

CREATE TABLE pane.message (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	session_id uuid NOT NULL REFERENCES pane.session ON DELETE CASCADE,
	kind text NOT NULL CHECK (kind IN ('person', 'idle', 'max', 'hours', 'elsewhere')), -- idle, max, hours: of these timers
	text text NOT NULL CHECK (length(text) BETWEEN 1 AND 400),
	said_by text NOT NULL DEFAULT '', -- a person's name
	at timestamptz NOT NULL DEFAULT now(),
	until timestamptz NOT NULL
);
CREATE INDEX message_session ON pane.message (session_id);
