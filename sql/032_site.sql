-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What is of the whole site: its gateways as they tell of themselves, with the certificates they show (code/91_site.sql),
-- and what the site looks like.

CREATE TABLE pane.gateway (
	name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
	version text NOT NULL,
	listen jsonb NOT NULL,       -- ["rdp 0.0.0.0:3389", …]
	certificates jsonb NOT NULL, -- as told; never a key
	since timestamptz NOT NULL DEFAULT now(), -- these certificates
	seen_at timestamptz NOT NULL DEFAULT now()
);

-- One row. '' is as it comes.
CREATE TABLE pane.branding (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	name text NOT NULL DEFAULT '' CHECK (length(name) <= 60),
	login_text text NOT NULL DEFAULT '' CHECK (length(login_text) <= 600),
	support text NOT NULL DEFAULT '' CHECK (length(support) <= 200),
	accent text NOT NULL DEFAULT '' CHECK (accent ~ '^(#[0-9a-f]{6})?$'),
	logo bytea CHECK (length(logo) <= 131072) -- a PNG, checked by the broker
);
INSERT INTO pane.branding DEFAULT VALUES;
