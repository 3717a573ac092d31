-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Desktops: the machine, who has it, their session and their files. Two state machines; a transition
-- that is not in its table is refused whoever attempts it (code/10_machine.sql), and a transient
-- state gets its deadline from the timeout table. Names of people and pools are copied into history
-- rows so that history survives deletion.

CREATE TYPE pane.want AS ENUM ('running', 'stopped', 'absent');
CREATE TYPE pane.machine_state AS ENUM ('requested', 'cloning', 'booting', 'ready', 'suspended',
	'draining', 'recycling', 'deleting', 'deleted', 'failed', 'lost');
CREATE TYPE pane.session_state AS ENUM ('none', 'ticketed', 'connecting', 'connected',
	'disconnected', 'logging_off', 'ended');

CREATE TABLE pane.machine_timeout (
	state pane.machine_state PRIMARY KEY,
	seconds integer NOT NULL CHECK (seconds > 0)
);
INSERT INTO pane.machine_timeout VALUES ('cloning', 300), ('booting', 600), ('draining', 600),
	('recycling', 300), ('deleting', 300);

CREATE TABLE pane.machine_transition (
	from_state pane.machine_state NOT NULL,
	to_state pane.machine_state NOT NULL,
	PRIMARY KEY (from_state, to_state)
);
INSERT INTO pane.machine_transition
SELECT f::pane.machine_state, unnest(string_to_array(t, ' '))::pane.machine_state FROM (VALUES
	('requested', 'cloning deleted failed'),
	('cloning',   'booting ready failed lost recycling deleting'),
	('booting',   'ready cloning suspended failed lost recycling deleting draining'),
	('ready',     'booting cloning suspended draining recycling deleting failed lost'),
	('suspended', 'booting ready draining recycling deleting failed lost'),
	('draining',  'ready recycling deleting failed lost'),
	('recycling', 'requested deleting failed lost'),
	('deleting',  'deleted failed lost'),
	('failed',    'requested cloning booting ready recycling deleting deleted lost'),
	('lost',      'cloning booting ready suspended recycling deleting deleted requested failed')
) AS v (f, t);

CREATE TABLE pane.session_timeout (
	state pane.session_state PRIMARY KEY,
	seconds integer NOT NULL CHECK (seconds > 0)
);
INSERT INTO pane.session_timeout VALUES ('ticketed', 30), ('connecting', 60), ('logging_off', 120);

CREATE TABLE pane.session_transition (
	from_state pane.session_state NOT NULL,
	to_state pane.session_state NOT NULL,
	PRIMARY KEY (from_state, to_state)
);
INSERT INTO pane.session_transition
SELECT f::pane.session_state, unnest(string_to_array(t, ' '))::pane.session_state FROM (VALUES
	('none',         'ticketed connecting'),
	('ticketed',     'connecting connected ended'),
	('connecting',   'connected disconnected logging_off ended'),
	('connected',    'disconnected logging_off ended'),
	('disconnected', 'connecting connected logging_off ended'),
	('logging_off',  'ended')
) AS v (f, t);

-- One hot row a desktop; fillfactor leaves room for HOT updates. Rows of deleted desktops stay as
-- tombstones: only what this table knows is ever ordered off a host's disk.
CREATE TABLE pane.desktop (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL,
	name text NOT NULL,
	state pane.machine_state NOT NULL DEFAULT 'requested',
	reason text NOT NULL DEFAULT '',
	want pane.want NOT NULL DEFAULT 'running',
	epoch bigint NOT NULL DEFAULT 0,     -- fences late writers; strictly grows
	host_id uuid REFERENCES pane.host ON DELETE SET NULL,
	user_id uuid REFERENCES pane.users ON DELETE SET NULL, -- kept by the assignment trigger
	dirty boolean NOT NULL DEFAULT false,
	-- what was ordered when it was placed
	image text NOT NULL DEFAULT '',
	image_version text NOT NULL DEFAULT '',  -- of its disk
	pin_version text NOT NULL DEFAULT '',    -- canary: not the tag's
	isolation pane.isolation NOT NULL DEFAULT 'vm',
	cpus integer NOT NULL DEFAULT 0,
	memory_mib integer NOT NULL DEFAULT 0,
	disk_mib integer NOT NULL DEFAULT 0,
	reset boolean NOT NULL DEFAULT false,
	customize uuid REFERENCES pane.customization,
	account text NOT NULL DEFAULT 'user',    -- made at first boot; '' = none yet
	home uuid,                           -- key of the user's home; NULL while nobody's
	retries integer NOT NULL DEFAULT 0,
	retry_at timestamptz,                -- failed: when to try again; NULL = an administrator's turn
	since timestamptz NOT NULL DEFAULT now(),
	deadline timestamptz,
	ordered_generation bigint NOT NULL DEFAULT 0, -- of the host, when its order last changed
	stale_epoch bigint NOT NULL DEFAULT 0,        -- newest epoch for which a stale report was audited
	created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX desktop_name ON pane.desktop (name) WHERE state <> 'deleted';
CREATE INDEX desktop_pool ON pane.desktop (pool_id, state) WHERE state <> 'deleted';
CREATE INDEX desktop_host ON pane.desktop (host_id) WHERE state <> 'deleted';
CREATE INDEX desktop_due ON pane.desktop (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX desktop_user ON pane.desktop (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX desktop_home ON pane.desktop (home) WHERE home IS NOT NULL;
-- The next warm desktop of a pool is the first entry, however many there are: the order is that of
-- pane.assign_free().
CREATE INDEX desktop_warm ON pane.desktop (pool_id, state DESC, since) WHERE user_id IS NULL AND NOT dirty;

-- R1: nobody shares a desktop, nobody holds two of one pool. By index, not by code.
CREATE TABLE pane.assignment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	desktop_id uuid NOT NULL REFERENCES pane.desktop,
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL,
	user_id uuid REFERENCES pane.users ON DELETE SET NULL,
	user_name text NOT NULL,
	host_id uuid REFERENCES pane.host ON DELETE SET NULL, -- where the desktop was
	created_at timestamptz NOT NULL DEFAULT now(),
	released_at timestamptz,
	release_reason text NOT NULL DEFAULT '',
	CHECK (released_at IS NOT NULL OR (user_id IS NOT NULL AND pool_id IS NOT NULL))
);
CREATE UNIQUE INDEX assignment_desktop ON pane.assignment (desktop_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX assignment_user_pool ON pane.assignment (user_id, pool_id)
	WHERE released_at IS NULL;
CREATE INDEX assignment_home ON pane.assignment (user_id, pool_id, id) WHERE host_id IS NOT NULL;
CREATE INDEX assignment_desktops ON pane.assignment (desktop_id);

CREATE TABLE pane.session (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	desktop_id uuid NOT NULL REFERENCES pane.desktop,
	user_id uuid REFERENCES pane.users ON DELETE SET NULL,
	user_name text NOT NULL,
	state pane.session_state NOT NULL DEFAULT 'none',
	reason text NOT NULL DEFAULT '',
	protocol text NOT NULL DEFAULT '',
	client text NOT NULL DEFAULT '',
	conn text NOT NULL DEFAULT '',
	viewers integer NOT NULL DEFAULT 0,
	since timestamptz NOT NULL DEFAULT now(),
	deadline timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX session_desktop ON pane.session (desktop_id) WHERE state <> 'ended';
CREATE INDEX session_due ON pane.session (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX session_conn ON pane.session (conn) WHERE conn <> '';

-- Connection tickets, by hash. Used ones stay an hour so that a reuse can be told from a guess.
CREATE TABLE pane.ticket (
	hash bytea PRIMARY KEY CHECK (length(hash) = 32),
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	desktop_id uuid NOT NULL REFERENCES pane.desktop ON DELETE CASCADE,
	epoch bigint NOT NULL,
	client text NOT NULL DEFAULT '',     -- address it was issued to; '' = unknown
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	CHECK (expires_at <= created_at + interval '30 seconds')
);
CREATE INDEX ticket_expiry ON pane.ticket (expires_at);

-- Used dedicated desktops whose user left or lost the pool. The assignment stays, so nobody else gets it.
CREATE TABLE pane.bin (
	desktop_id uuid PRIMARY KEY REFERENCES pane.desktop,
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	reason text NOT NULL,
	binned_at timestamptz NOT NULL DEFAULT now(),
	delete_at timestamptz NOT NULL
);
CREATE INDEX bin_user ON pane.bin (user_id);

-- ---- homes ----

CREATE TYPE pane.home_state AS ENUM ('kept', 'deleting');

-- The files of a user in a pool, apart from every desktop, on one host (code/30_home.sql).
CREATE TABLE pane.home (
	key uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- names the files on their host
	user_id uuid REFERENCES pane.users ON DELETE SET NULL,
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL,
	user_name text NOT NULL,
	pool_name text NOT NULL,
	host_id uuid REFERENCES pane.host ON DELETE SET NULL, -- NULL until a desktop was placed
	state pane.home_state NOT NULL DEFAULT 'kept',
	reason text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	used_at timestamptz NOT NULL DEFAULT now(), -- last given to a desktop, or left by one
	orphan_at timestamptz                       -- since when nobody may use it
);
CREATE UNIQUE INDEX home_of ON pane.home (user_id, pool_id) WHERE state = 'kept';

-- What hosts say they have, also copies made while the home's own host was away.
CREATE TABLE pane.host_home (
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	key uuid NOT NULL,
	mib bigint NOT NULL DEFAULT 0,
	used_mib bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (host_id, key)
);
CREATE INDEX host_home_key ON pane.host_home (key);

-- ---- rollouts: existing desktops are brought to another version ----

CREATE TYPE pane.rollout_state AS ENUM ('running', 'paused', 'stopped', 'failed', 'done');
CREATE TYPE pane.rollout_step AS ENUM ('waiting', 'updating', 'done', 'failed');

CREATE TABLE pane.rollout (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	version text NOT NULL,
	state pane.rollout_state NOT NULL DEFAULT 'running',
	reason text NOT NULL DEFAULT '',
	pinned boolean NOT NULL,               -- not the version of the pool's tag
	canary integer CHECK (canary > 0),
	parallel integer NOT NULL DEFAULT 2 CHECK (parallel BETWEEN 1 AND 1000),
	continue_on_error boolean NOT NULL DEFAULT false,
	force_at timestamptz,
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	ended_at timestamptz
);
CREATE UNIQUE INDEX rollout_active ON pane.rollout (pool_id) WHERE state IN ('running', 'paused');

CREATE TABLE pane.rollout_desktop (
	rollout_id bigint NOT NULL REFERENCES pane.rollout ON DELETE CASCADE,
	desktop_id uuid NOT NULL REFERENCES pane.desktop ON DELETE CASCADE,
	name text NOT NULL,
	state pane.rollout_step NOT NULL DEFAULT 'waiting',
	reason text NOT NULL DEFAULT '',
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (rollout_id, desktop_id)
);
