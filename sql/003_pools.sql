-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Pools: what their desktops are like, and who may use them.

CREATE TYPE pane.assignment_kind AS ENUM ('floating', 'dedicated');
CREATE TYPE pane.isolation AS ENUM ('vm', 'container');
-- What happens to the system (not to the home) when a session has ended.
CREATE TYPE pane.reset_kind AS ENUM ('on_logoff', 'never');

-- What a desktop is told at its first boot. Content-addressed: orders name one, a reply to a host
-- holds each once.
CREATE TABLE pane.customization (
	id uuid PRIMARY KEY,               -- md5 of body's text
	body jsonb NOT NULL
);

CREATE TABLE pane.pool (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
	image text NOT NULL,
	image_tag text NOT NULL DEFAULT 'stable' CHECK (image_tag ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
	customize uuid REFERENCES pane.customization,
	assignment pane.assignment_kind NOT NULL,
	isolation pane.isolation NOT NULL DEFAULT 'vm',
	reset pane.reset_kind,             -- NULL: by assignment (pane.resets)
	-- each desktop
	cpus integer NOT NULL CHECK (cpus BETWEEN 1 AND 64),
	memory_mib integer NOT NULL CHECK (memory_mib BETWEEN 64 AND 1048576),
	disk_mib integer NOT NULL DEFAULT 0 CHECK (disk_mib BETWEEN 0 AND 16777216),
	home_mib integer NOT NULL DEFAULT 0 CHECK (home_mib BETWEEN 0 AND 16777216),
	name_pattern text NOT NULL DEFAULT '{pool}-{n}'
		CHECK (name_pattern ~ '^[a-z0-9{][a-z0-9{}-]{0,62}$' AND name_pattern ~ '\{n+\}'),
	-- how many, and where
	size_min integer NOT NULL DEFAULT 0 CHECK (size_min BETWEEN 0 AND 10000),
	size_max integer NOT NULL CHECK (size_max BETWEEN 1 AND 10000),
	spare integer NOT NULL CHECK (spare BETWEEN 0 AND 10000),
	spare_wanted integer,              -- what was asked for; spare follows it and size_min
	provision text NOT NULL DEFAULT 'group'
		CHECK (provision IN ('group', 'always', 'login')), -- whose dedicated desktops are made in advance
	hosts text[] NOT NULL DEFAULT '{}', -- only these; none = any
	placement text NOT NULL DEFAULT 'spread' CHECK (placement IN ('spread', 'pack')),
	overcommit integer NOT NULL DEFAULT 100 CHECK (overcommit BETWEEN 100 AND 1000), -- %
	-- sessions
	policy jsonb NOT NULL DEFAULT '{}', -- of the display; docs/contracts.md
	logoff_after_s integer NOT NULL DEFAULT 3600 CHECK (logoff_after_s BETWEEN 0 AND 31536000),
	idle_s integer NOT NULL DEFAULT 0 CHECK (idle_s BETWEEN 0 AND 31536000),
	session_max_s integer NOT NULL DEFAULT 0 CHECK (session_max_s BETWEEN 0 AND 31536000),
	blocked text[] NOT NULL DEFAULT '{}', -- why the reconciler could not add a desktop last time
	created_at timestamptz NOT NULL DEFAULT now(),
	deleted_at timestamptz,
	CHECK (spare <= size_max),
	CONSTRAINT pool_size_min CHECK (size_min <= size_max),
	CONSTRAINT pool_reset_floating CHECK (assignment <> 'floating' OR reset IS DISTINCT FROM 'never'),
	CONSTRAINT pool_reset_vm CHECK (assignment = 'floating' OR isolation = 'container'
		OR reset IS DISTINCT FROM 'on_logoff')
);
CREATE UNIQUE INDEX pool_name ON pane.pool (name) WHERE deleted_at IS NULL;

-- The one list of who may use a pool. Rows that come from groups only are not "direct" and follow
-- them (pane.entitlements_settle).
CREATE TABLE pane.entitlement (
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	direct boolean NOT NULL DEFAULT true,
	blocked text[] NOT NULL DEFAULT '{}', -- why no desktop could be made in advance
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (pool_id, user_id)
);
CREATE INDEX entitlement_user ON pane.entitlement (user_id);

CREATE TABLE pane.group_entitlement (
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	group_id uuid NOT NULL REFERENCES pane.groups ON DELETE CASCADE,
	PRIMARY KEY (pool_id, group_id)
);
CREATE INDEX group_entitlement_group ON pane.group_entitlement (group_id);
