-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Thin client terminals, and the codes they enrol by. Of tokens and codes only the SHA-256 is here.

CREATE TABLE pane.terminal (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
	token_hash bytea NOT NULL UNIQUE,
	hardware text NOT NULL DEFAULT '' CHECK (length(hardware) <= 100), -- the machine's own id; '' = unknown
	version text NOT NULL DEFAULT '' CHECK (length(version) <= 64),
	addresses text NOT NULL DEFAULT '' CHECK (length(addresses) <= 300), -- as it sees them
	client text NOT NULL DEFAULT '',   -- where its last report came from
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL, -- whose desktop is opened at once
	auto_connect boolean NOT NULL DEFAULT false, -- the only desktop is opened at once
	keyboard text NOT NULL DEFAULT '' CHECK (keyboard ~ '^[a-z]{0,8}(,[a-z]{2,8})*$'),
	language text NOT NULL DEFAULT '' CHECK (language ~ '^([a-z]{2,3}(_[A-Z]{2})?)?$'),
	notice text NOT NULL DEFAULT '' CHECK (length(notice) <= 250),
	exit_pin text NOT NULL DEFAULT '', -- hashed: common/exitpin.h
	enrolled_at timestamptz NOT NULL DEFAULT now(),
	last_seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX terminal_hardware ON pane.terminal (hardware) WHERE hardware <> '';

CREATE TABLE pane.terminal_code (
	hash bytea PRIMARY KEY,
	name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,55}$'), -- of the terminals: NAME, or NAME-1, NAME-2, …
	total integer NOT NULL CHECK (total BETWEEN 1 AND 10000),
	uses integer NOT NULL CHECK (uses BETWEEN 1 AND total),       -- left
	created_by text NOT NULL,
	expires_at timestamptz NOT NULL
);
