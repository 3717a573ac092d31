-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The audit by months, each a table of its own: what is old is taken away whole, by the database's administrator, and
-- what is asked for of late does not wade through it. Months are made ahead (pane.audit_months()); what falls into none
-- is kept in audit_rest.

ALTER TABLE pane.audit RENAME TO audit_whole;
ALTER TABLE pane.audit_whole RENAME CONSTRAINT audit_pkey TO audit_whole_pkey;

CREATE TABLE pane.audit (
	id bigint GENERATED ALWAYS AS IDENTITY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	conn text NOT NULL DEFAULT '',
	actor text NOT NULL DEFAULT '',
	action text NOT NULL,
	object text NOT NULL DEFAULT '',
	outcome text NOT NULL,
	detail text NOT NULL DEFAULT '',
	client text NOT NULL DEFAULT '',
	before jsonb,
	after jsonb,
	PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE pane.audit_rest PARTITION OF pane.audit DEFAULT;

DO $$
DECLARE m timestamptz;
BEGIN
	FOR m IN SELECT generate_series(date_trunc('month', coalesce((SELECT min(at) FROM pane.audit_whole), now()), 'UTC'),
		now() + interval '1 month', interval '1 month')
	LOOP
		EXECUTE format('CREATE TABLE pane.audit_%s PARTITION OF pane.audit FOR VALUES FROM (%L) TO (%L)',
			to_char(m AT TIME ZONE 'UTC', 'YYYY_MM'), m, date_trunc('month', m + interval '32 days', 'UTC'));
	END LOOP;
END $$;

INSERT INTO pane.audit (id, at, conn, actor, action, object, outcome, detail, client, before, after) OVERRIDING SYSTEM VALUE
	SELECT id, at, conn, actor, action, object, outcome, detail, client, before, after FROM pane.audit_whole;
SELECT setval(pg_get_serial_sequence('pane.audit', 'id'), greatest(1, (SELECT max(id) FROM pane.audit)));
DROP TABLE pane.audit_whole;
