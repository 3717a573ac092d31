-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What exists: people, pools, hosts, and the rows that bind them. State machines are in
-- 002_machine.sql. Names of people and pools are copied into history rows so history survives
-- deletion. Nothing here is edited by hand; every rule that must hold is a constraint.

CREATE SCHEMA IF NOT EXISTS pane;

CREATE TYPE pane.role AS ENUM ('user', 'admin');
CREATE TYPE pane.assignment_kind AS ENUM ('floating', 'dedicated');
CREATE TYPE pane.isolation AS ENUM ('vm');
CREATE TYPE pane.want AS ENUM ('running', 'stopped', 'absent');
CREATE TYPE pane.machine_state AS ENUM ('requested', 'cloning', 'booting', 'ready', 'suspended',
	'draining', 'recycling', 'deleting', 'deleted', 'failed', 'lost');
CREATE TYPE pane.session_state AS ENUM ('none', 'ticketed', 'connecting', 'connected',
	'disconnected', 'logging_off', 'ended');

CREATE TABLE pane.users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
	password text NOT NULL CHECK (password LIKE '$argon2id$%'),
	role pane.role NOT NULL DEFAULT 'user',
	disabled boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_login_at timestamptz
);

-- Bearer tokens, by hash only.
CREATE TABLE pane.token (
	hash bytea PRIMARY KEY CHECK (length(hash) = 32),
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX token_user ON pane.token (user_id);

-- Attempts per user name and source address; user_name '' counts a source as a whole. Rows of
-- names that do not exist look and behave the same.
CREATE TABLE pane.throttle (
	user_name text NOT NULL,
	source text NOT NULL,
	failures integer NOT NULL,
	next_at timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (user_name, source)
);

CREATE TABLE pane.host (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
	enroll_hash bytea UNIQUE,         -- of the one-time token; NULL once used
	enroll_expires_at timestamptz,
	enrolled_at timestamptz,
	cert_serial text,
	address text,                     -- ip:port its gateway listener is reached at
	cpus integer NOT NULL DEFAULT 0,
	memory_mib bigint NOT NULL DEFAULT 0,
	memory_free_mib bigint NOT NULL DEFAULT 0,
	disk_free_mib bigint NOT NULL DEFAULT 0,
	kvm text NOT NULL DEFAULT 'none',
	online boolean NOT NULL DEFAULT false,
	maintenance boolean NOT NULL DEFAULT false,
	last_sync_at timestamptz,
	sync_due_at timestamptz,          -- silent beyond this: lost
	sync_seq bigint NOT NULL DEFAULT 0, -- newest poll; an older one that ends says nothing
	created_at timestamptz NOT NULL DEFAULT now()
);

-- Apart from pane.host so that bumping it never waits for a sync in progress.
CREATE TABLE pane.host_generation (
	host_id uuid PRIMARY KEY REFERENCES pane.host ON DELETE CASCADE,
	generation bigint NOT NULL DEFAULT 1
);

CREATE TABLE pane.host_image (
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	name text NOT NULL,
	version text NOT NULL,
	disk_mib bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (host_id, name)
);

CREATE TABLE pane.pool (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
	image text NOT NULL,
	cpus integer NOT NULL CHECK (cpus BETWEEN 1 AND 64),
	memory_mib integer NOT NULL CHECK (memory_mib BETWEEN 64 AND 1048576),
	disk_mib integer NOT NULL DEFAULT 0 CHECK (disk_mib BETWEEN 0 AND 16777216),
	size_max integer NOT NULL CHECK (size_max BETWEEN 1 AND 10000),
	spare integer NOT NULL CHECK (spare BETWEEN 0 AND 10000),
	assignment pane.assignment_kind NOT NULL,
	isolation pane.isolation NOT NULL DEFAULT 'vm',
	logoff_after_s integer NOT NULL DEFAULT 3600 CHECK (logoff_after_s BETWEEN 0 AND 31536000),
	blocked text[] NOT NULL DEFAULT '{}', -- why the reconciler could not add a desktop last time
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	CHECK (spare <= size_max)
);
CREATE UNIQUE INDEX pool_name ON pane.pool (name) WHERE deleted_at IS NULL;

CREATE TABLE pane.entitlement (
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (pool_id, user_id)
);
CREATE INDEX entitlement_user ON pane.entitlement (user_id);

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
	image text NOT NULL DEFAULT '',      -- what was ordered when it was placed
	cpus integer NOT NULL DEFAULT 0,
	memory_mib integer NOT NULL DEFAULT 0,
	disk_mib integer NOT NULL DEFAULT 0,
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

-- R1: nobody shares a desktop, nobody holds two of one pool. By index, not by code.
CREATE TABLE pane.assignment (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	desktop_id uuid NOT NULL REFERENCES pane.desktop,
	pool_id uuid REFERENCES pane.pool ON DELETE SET NULL,
	user_id uuid REFERENCES pane.users ON DELETE SET NULL,
	user_name text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	released_at timestamptz,
	release_reason text NOT NULL DEFAULT '',
	CHECK (released_at IS NOT NULL OR (user_id IS NOT NULL AND pool_id IS NOT NULL))
);
CREATE UNIQUE INDEX assignment_desktop ON pane.assignment (desktop_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX assignment_user_pool ON pane.assignment (user_id, pool_id)
	WHERE released_at IS NULL;

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

-- What happened to machines, sessions and hosts. Insert only.
CREATE TABLE pane.event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind text NOT NULL,
	desktop_id uuid,
	session_id uuid,
	host_id uuid,
	name text NOT NULL DEFAULT '',
	from_state text NOT NULL DEFAULT '',
	to_state text NOT NULL DEFAULT '',
	epoch bigint NOT NULL DEFAULT 0,
	reason text NOT NULL DEFAULT ''
);
CREATE INDEX event_desktop ON pane.event (desktop_id, id);

-- Who did what, with what outcome. Insert only.
CREATE TABLE pane.audit (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	conn text NOT NULL DEFAULT '',
	actor text NOT NULL DEFAULT '',
	action text NOT NULL,
	object text NOT NULL DEFAULT '',
	outcome text NOT NULL,
	detail text NOT NULL DEFAULT '',
	client text NOT NULL DEFAULT ''
);

CREATE FUNCTION pane.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pane.audit
	FOR EACH STATEMENT EXECUTE FUNCTION pane.append_only();
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pane.event
	FOR EACH STATEMENT EXECUTE FUNCTION pane.append_only();

-- A refusal that reaches a person: SQLSTATE PNnnn carries the HTTP status, HINT the stable word,
-- DETAIL a JSON array of reasons.
CREATE FUNCTION pane.refuse(p_status integer, p_code text, p_message text, p_reasons text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'PN' || p_status, MESSAGE = p_message, HINT = p_code,
		DETAIL = array_to_json(p_reasons)::text;
END $$;
