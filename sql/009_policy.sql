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

-- ---- quotas ----

-- What somebody may have; NULL = as much as there is. 'user' one user, 'member' each member of a group (without
-- a rule of their own), 'everyone' each user without either, 'group' all its members together, 'pool' all its desktops.
CREATE TABLE pane.quota (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('everyone', 'user', 'member', 'group', 'pool')),
	user_id uuid REFERENCES pane.users ON DELETE CASCADE,
	group_id uuid REFERENCES pane.groups ON DELETE CASCADE,
	pool_id uuid REFERENCES pane.pool ON DELETE CASCADE,
	desktops bigint CHECK (desktops >= 0),
	running bigint CHECK (running >= 0),
	cpus bigint CHECK (cpus >= 0),         -- of running ones
	memory_mib bigint CHECK (memory_mib >= 0), -- the same
	disk_mib bigint CHECK (disk_mib >= 0), -- of all, with homes
	UNIQUE NULLS NOT DISTINCT (kind, user_id, group_id, pool_id),
	CONSTRAINT quota_of CHECK ((user_id IS NOT NULL) = (kind = 'user') AND (pool_id IS NOT NULL) = (kind = 'pool')
		AND (group_id IS NOT NULL) = (kind IN ('member', 'group'))),
	CONSTRAINT quota_says CHECK (num_nonnulls(desktops, running, cpus, memory_mib, disk_mib) > 0)
);
CREATE INDEX quota_user ON pane.quota (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX quota_group ON pane.quota (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX quota_pool ON pane.quota (pool_id) WHERE pool_id IS NOT NULL;

-- ---- when, and from where ----

ALTER TABLE pane.pool
	ADD COLUMN timezone text NOT NULL DEFAULT 'UTC',          -- of its hours and its schedule
	ADD COLUMN restricted boolean NOT NULL DEFAULT false;     -- had a rule once: logins to others ask no further

-- Where and when a pool, or (user or group) an entitlement to it, holds. Goes with the entitlement.
CREATE TABLE pane.access (
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	user_id uuid,
	group_id uuid,
	hours text[] NOT NULL DEFAULT '{}',    -- as in 'mon-fri 08:00-18:00'; none = always
	open int4multirange,                   -- the same as minutes of the week, from Monday 00:00
	networks cidr[] NOT NULL DEFAULT '{}', -- none = from anywhere
	refusal text NOT NULL DEFAULT '' CHECK (length(refusal) <= 400),
	UNIQUE NULLS NOT DISTINCT (pool_id, user_id, group_id),
	FOREIGN KEY (pool_id, user_id) REFERENCES pane.entitlement (pool_id, user_id) ON DELETE CASCADE,
	FOREIGN KEY (pool_id, group_id) REFERENCES pane.group_entitlement (pool_id, group_id) ON DELETE CASCADE,
	CONSTRAINT access_of CHECK (num_nonnulls(user_id, group_id) <= 1),
	CONSTRAINT access_hours CHECK ((hours = '{}') = (open IS NULL) AND open <@ '{[0,10080)}'::int4multirange)
);

-- ---- how many are kept ready ----

ALTER TABLE pane.pool
	ADD COLUMN schedule text[] NOT NULL DEFAULT '{}', -- as in 'mon-fri 07:00-09:00 10'
	ADD COLUMN grid integer[],                        -- the same, by hour of the week; NULL = as without
	ADD COLUMN buffer_percent integer NOT NULL DEFAULT 0 CHECK (buffer_percent BETWEEN 0 AND 100), -- of those in use
	ADD COLUMN spare_why text NOT NULL DEFAULT '',    -- why spare is what it is now
	ADD CONSTRAINT pool_grid CHECK (cardinality(grid) = 168 AND (schedule = '{}') = (grid IS NULL));

-- ---- the circuit breaker ----

ALTER TABLE pane.pool
	ADD COLUMN breaker_failures integer NOT NULL DEFAULT 5 CHECK (breaker_failures BETWEEN 0 AND 100), -- 0: never
	ADD COLUMN failures integer NOT NULL DEFAULT 0, -- starts of new desktops that failed, since one succeeded
	ADD COLUMN stopped_at timestamptz,              -- no desktop is made since
	ADD COLUMN stopped_reason text NOT NULL DEFAULT '',
	ADD COLUMN try_at timestamptz,                  -- then with one
	ADD CONSTRAINT pool_stopped CHECK ((stopped_at IS NULL) = (stopped_reason = '')
		AND (stopped_at IS NULL) = (try_at IS NULL));

-- ---- after the logoff ----

ALTER TABLE pane.pool
	ADD COLUMN after_logoff text CHECK (after_logoff IN ('keep', 'off', 'recycle')), -- NULL: by assignment
	ADD CONSTRAINT pool_after_logoff CHECK (assignment = 'dedicated' OR coalesce(after_logoff, 'recycle') = 'recycle');
