-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What was used, by day, pool and user, for the report (code/89_report.sql). Names, not rows: what was used stays in
-- the report when who used it is gone. Days are of the database's time zone.

CREATE TABLE pane.usage_day (
	day date NOT NULL,
	pool text NOT NULL,
	user_name text NOT NULL,                -- '' = desktops that nobody had
	desktop_s bigint NOT NULL DEFAULT 0,    -- how long desktops ran, as their hosts told
	connected_s bigint NOT NULL DEFAULT 0,  -- how long people were at them
	connects bigint NOT NULL DEFAULT 0,     -- how often they came, or came back
	cpu_s double precision NOT NULL DEFAULT 0,       -- of a processor: the desktop's own work
	overhead_s double precision NOT NULL DEFAULT 0,  -- of the machine's process besides its guest
	display_s double precision NOT NULL DEFAULT 0,
	memory_mib_s double precision NOT NULL DEFAULT 0, -- MiB times seconds, the display's included
	disk_kib double precision NOT NULL DEFAULT 0,    -- read and written
	net_kib double precision NOT NULL DEFAULT 0,     -- in and out
	PRIMARY KEY (day, pool, user_name)
);

-- What is to be added there: rows that only ever begin and end, so that no report and no login waits for another one.
CREATE TABLE pane.usage_piece (LIKE pane.usage_day INCLUDING DEFAULTS);

ALTER TABLE pane.host ADD COLUMN used_at timestamptz; -- the newest usage counted; a report may come twice
