-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Recordings of sessions, as the hosts that keep them say.

CREATE TABLE pane.recording (
	id uuid PRIMARY KEY, -- the host's
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	desktop_id uuid NOT NULL,
	desktop text NOT NULL,
	session_id uuid, -- the one it was of, as far as it was known when it began
	user_name text NOT NULL,
	began_at timestamptz NOT NULL,
	ended_at timestamptz, -- NULL: it goes on
	bytes bigint NOT NULL DEFAULT 0,
	days integer NOT NULL,
	reason text NOT NULL DEFAULT '', -- why it ended, where that was not its session's pause or end
	deleting boolean NOT NULL DEFAULT false,
	-- What of it is to be brought here for somebody who reads it, until when, and which attempt that is.
	want_from bigint NOT NULL DEFAULT 0,
	want_to bigint NOT NULL DEFAULT 0,
	want_until timestamptz,
	want_serial bigint NOT NULL DEFAULT 0,
	wanted_at timestamptz NOT NULL DEFAULT now() -- when that last changed or moved on
);
CREATE INDEX recording_host ON pane.recording (host_id);
CREATE INDEX recording_want ON pane.recording (want_until) WHERE want_until IS NOT NULL;

-- Pieces on their way to a reader: no more of a recording than a window, gone when it is read or nobody reads. After
-- a crash they are brought anew.
CREATE UNLOGGED TABLE pane.recording_piece (
	recording_id uuid NOT NULL REFERENCES pane.recording ON DELETE CASCADE,
	at bigint NOT NULL,
	n integer NOT NULL CHECK (n > 0),
	data text NOT NULL CHECK (length(data) <= 1100000), -- base64
	PRIMARY KEY (recording_id, at)
);
ALTER TABLE pane.recording_piece ALTER COLUMN data SET STORAGE EXTERNAL; -- it is compressed
