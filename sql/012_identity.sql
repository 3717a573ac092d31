-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Logins by an OpenID Connect provider that are under way, and secrets of second factors sealed by a key of the broker.

CREATE TABLE pane.oidc_login (
	state bytea PRIMARY KEY CHECK (length(state) = 32), -- SHA-256 of it; good once
	source text NOT NULL,                               -- from where it was begun
	user_id uuid REFERENCES pane.users ON DELETE CASCADE, -- who it is; a code of their second factor is missing
	expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_login_source ON pane.oidc_login (source);
CREATE INDEX oidc_login_due ON pane.oidc_login (expires_at);
CREATE INDEX oidc_login_user ON pane.oidc_login (user_id) WHERE user_id IS NOT NULL;

-- As it is (a broker without keys), or "ps1.KEY.…": broker/seal.h. Brokers seal what is not when they start.
ALTER TABLE pane.totp DROP CONSTRAINT totp_secret_check,
	ADD CONSTRAINT totp_secret CHECK (secret ~ '^([A-Z2-7]{32}|ps1\.[a-z0-9-]{1,16}\.[A-Za-z0-9_-]{80})$');

-- ---- the end of a pool's hours ----

ALTER TABLE pane.pool ADD COLUMN hours_action text NOT NULL DEFAULT 'keep' -- what it does to sessions
	CHECK (hours_action IN ('keep', 'disconnect', 'logoff'));

-- ---- a second factor that is moved to another device ----

ALTER TABLE pane.totp ADD COLUMN next_secret text -- counts from its first code on; until then secret does
		CHECK (next_secret ~ '^([A-Z2-7]{32}|ps1\.[a-z0-9-]{1,16}\.[A-Za-z0-9_-]{80})$'),
	ADD COLUMN next_at timestamptz,
	ADD CONSTRAINT totp_next CHECK ((next_secret IS NULL) = (next_at IS NULL) AND (next_secret IS NULL OR confirmed_at IS NOT NULL));
