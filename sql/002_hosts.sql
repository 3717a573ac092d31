-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Hosts, and the images they make desktops from. A pool follows a tag; publishing moves it, rolling
-- back moves it to where it pointed before. Versions are uploaded here (origin 'upload': hosts fetch
-- them) or found on a host (origin 'host': only hosts that report one have it).

CREATE TABLE pane.host (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
	enroll_hash bytea UNIQUE,          -- of the one-time token; NULL once used
	enroll_expires_at timestamptz,
	enrolled_at timestamptz,
	cert_serial text,
	address text,                      -- ip:port its gateway listener is reached at
	cpus integer NOT NULL DEFAULT 0,
	memory_mib bigint NOT NULL DEFAULT 0,
	memory_free_mib bigint NOT NULL DEFAULT 0,
	disk_free_mib bigint NOT NULL DEFAULT 0,
	kvm text NOT NULL DEFAULT 'none',
	vm boolean NOT NULL DEFAULT true,  -- can run virtual machines
	vm_why text NOT NULL DEFAULT '',
	firmware boolean NOT NULL DEFAULT false, -- can start versions that boot by it
	container boolean NOT NULL DEFAULT false,
	container_why text NOT NULL DEFAULT '',  -- also what a degraded one lacks
	limits text NOT NULL DEFAULT '',   -- what holds containers to their share
	online boolean NOT NULL DEFAULT false,
	maintenance boolean NOT NULL DEFAULT false,
	last_sync_at timestamptz,
	sync_due_at timestamptz,           -- silent beyond this: lost
	sync_seq bigint NOT NULL DEFAULT 0, -- newest poll; an older one that ends says nothing
	created_at timestamptz NOT NULL DEFAULT now()
);

-- Apart from pane.host so that bumping it never waits for a sync in progress.
CREATE TABLE pane.host_generation (
	host_id uuid PRIMARY KEY REFERENCES pane.host ON DELETE CASCADE,
	generation bigint NOT NULL DEFAULT 1
);

-- The current version of each image a host holds.
CREATE TABLE pane.host_image (
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	name text NOT NULL,
	version text NOT NULL,
	disk_mib bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (host_id, name)
);

-- Every version a host holds or is fetching.
CREATE TABLE pane.host_version (
	host_id uuid NOT NULL REFERENCES pane.host ON DELETE CASCADE,
	name text NOT NULL,
	version text NOT NULL,
	state text NOT NULL CHECK (state IN ('present', 'pulling', 'failed')),
	percent integer NOT NULL DEFAULT 0,
	reason text NOT NULL DEFAULT '',
	disk_mib bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (host_id, name, version)
);

-- ---- images ----

CREATE TYPE pane.image_state AS ENUM ('uploading', 'verifying', 'converting', 'ready', 'retired',
	'failed');

CREATE TABLE pane.image (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
	numbered integer NOT NULL DEFAULT 0,   -- of its last uploaded version
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pane.image_version (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- also its name in the store
	image_id uuid NOT NULL REFERENCES pane.image,
	version text NOT NULL CHECK (version ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
	origin text NOT NULL CHECK (origin IN ('upload', 'host')),
	state pane.image_state NOT NULL,
	percent integer NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
	reason text NOT NULL DEFAULT '',
	changelog text NOT NULL DEFAULT '' CHECK (length(changelog) <= 4000),
	size_bytes bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
	received_bytes bigint NOT NULL DEFAULT 0,
	sha256 text NOT NULL DEFAULT '' CHECK (sha256 ~ '^([0-9a-f]{64})?$'),
	disk_mib bigint NOT NULL DEFAULT 0,
	boot text NOT NULL DEFAULT 'direct' CHECK (boot IN ('direct', 'firmware')),
	boot_reason text NOT NULL DEFAULT '',  -- why not directly
	manifest jsonb,                        -- of the files hosts fetch; docs/contracts.md "Images"
	created_by text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	since timestamptz NOT NULL DEFAULT now(),
	UNIQUE (image_id, version),
	CHECK (received_bytes BETWEEN 0 AND size_bytes),
	CHECK (origin = 'host' OR state <> 'ready' OR manifest IS NOT NULL)
);

CREATE TABLE pane.image_transition (
	from_state pane.image_state NOT NULL,
	to_state pane.image_state NOT NULL,
	PRIMARY KEY (from_state, to_state)
);
INSERT INTO pane.image_transition VALUES ('uploading', 'verifying'), ('uploading', 'failed'),
	('verifying', 'converting'), ('verifying', 'failed'), ('converting', 'verifying'),
	('converting', 'ready'), ('converting', 'failed'), ('ready', 'retired'), ('retired', 'ready');

CREATE TABLE pane.image_tag (
	image_id uuid NOT NULL REFERENCES pane.image,
	tag text NOT NULL CHECK (tag ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
	version_id uuid NOT NULL REFERENCES pane.image_version,
	automatic boolean NOT NULL,            -- set by a host's report, not by a person
	moved_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (image_id, tag)
);

-- Where tags pointed before, as a stack: a rollback takes the newest entry off.
CREATE TABLE pane.image_tag_move (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	image_id uuid NOT NULL REFERENCES pane.image ON DELETE CASCADE,
	tag text NOT NULL,
	from_id uuid NOT NULL REFERENCES pane.image_version ON DELETE CASCADE,
	at timestamptz NOT NULL DEFAULT now()
);
