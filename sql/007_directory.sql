-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Users and groups that come from a directory (LDAP, Active Directory): their passwords stay there, and who
-- is gone there leaves here. What is 'local' is never touched by the directory.

ALTER TABLE pane.users ADD COLUMN origin text NOT NULL DEFAULT 'local'
	CHECK (origin IN ('local', 'directory')),
	ADD CONSTRAINT users_directory_password CHECK (origin = 'local' OR password = '$argon2id$none');
ALTER TABLE pane.groups ADD COLUMN origin text NOT NULL DEFAULT 'local'
	CHECK (origin IN ('local', 'directory'));
CREATE INDEX users_directory ON pane.users (name) WHERE origin = 'directory';

-- How the last comparison went; one row.
CREATE TABLE pane.directory_state (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	at timestamptz,                    -- tried
	ok_at timestamptz,                 -- done
	error text NOT NULL DEFAULT '',    -- of the last try; '' = done
	told jsonb NOT NULL DEFAULT '{}'   -- counts, and what could not be taken over
);
INSERT INTO pane.directory_state DEFAULT VALUES;
