-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- People: users, groups, and what they prove themselves with. Files of this directory hold tables,
-- constraints and indexes, and are applied once, in order; functions, views and triggers are in
-- code/, which is replaced as a whole. Every rule that must hold is a constraint.

CREATE SCHEMA IF NOT EXISTS pane;

-- In order of what they may do.
CREATE TYPE pane.role AS ENUM ('user', 'readonly', 'helpdesk', 'operator', 'admin');

CREATE TABLE pane.users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
	password text NOT NULL CHECK (password LIKE '$argon2id$%'),
	role pane.role NOT NULL DEFAULT 'user',
	disabled boolean NOT NULL DEFAULT false,
	full_name text NOT NULL DEFAULT '' CHECK (length(full_name) <= 200),
	email text NOT NULL DEFAULT '' CHECK (length(email) <= 200),
	created_at timestamptz NOT NULL DEFAULT now(),
	last_login_at timestamptz,
	deleted_at timestamptz,            -- left: in the bin until delete_at
	delete_at timestamptz,
	CONSTRAINT users_bin CHECK ((deleted_at IS NULL) = (delete_at IS NULL)
		AND (deleted_at IS NULL OR disabled))
);
CREATE INDEX users_bin_due ON pane.users (delete_at) WHERE delete_at IS NOT NULL;

CREATE TABLE pane.groups (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	description text NOT NULL DEFAULT '' CHECK (length(description) <= 400),
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pane.membership (
	group_id uuid NOT NULL REFERENCES pane.groups ON DELETE CASCADE,
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	PRIMARY KEY (group_id, user_id)
);
CREATE INDEX membership_user ON pane.membership (user_id);

-- Bearer tokens, by hash only. Those with a name are for programs, the others come from logins.
CREATE TABLE pane.token (
	id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
	hash bytea PRIMARY KEY CHECK (length(hash) = 32),
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	name text NOT NULL DEFAULT '' CHECK (length(name) <= 64),
	scope pane.role,                   -- at most this role; NULL = the user's
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_used_at timestamptz
);
CREATE INDEX token_user ON pane.token (user_id);
CREATE UNIQUE INDEX token_name ON pane.token (user_id, name) WHERE name <> '';

-- Good once: sets a first password.
CREATE TABLE pane.welcome (
	hash bytea PRIMARY KEY CHECK (length(hash) = 32),
	user_id uuid NOT NULL REFERENCES pane.users ON DELETE CASCADE,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX welcome_user ON pane.welcome (user_id);

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
