-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The second factor (RFC 6238): the shared secret, the newest time step a code was taken for, and
-- recovery codes by hash. Who must have one is said of roles and pools.

CREATE TABLE pane.totp (
	user_id uuid PRIMARY KEY REFERENCES pane.users ON DELETE CASCADE,
	secret text NOT NULL CHECK (secret ~ '^[A-Z2-7]{32}$'), -- base32 of 160 bits (RFC 4226 §4 R6)
	confirmed_at timestamptz,          -- NULL: begun, not asked for yet
	last_step bigint NOT NULL DEFAULT 0, -- codes of this step and before are spent (RFC 6238 §5.2)
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pane.recovery_code (
	hash bytea PRIMARY KEY CHECK (length(hash) = 32),
	user_id uuid NOT NULL REFERENCES pane.totp ON DELETE CASCADE,
	used_at timestamptz
);
CREATE INDEX recovery_code_user ON pane.recovery_code (user_id);

CREATE TABLE pane.role_policy (
	role pane.role PRIMARY KEY,
	totp boolean NOT NULL DEFAULT false -- logs in with a second factor only
);
INSERT INTO pane.role_policy (role) SELECT unnest(enum_range(NULL::pane.role));

ALTER TABLE pane.pool ADD COLUMN totp text NOT NULL DEFAULT 'optional'
	CHECK (totp IN ('optional', 'required'));
