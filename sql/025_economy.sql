-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What a pool's desktops may take of their host: how their memory is made, and what disk and network give each in a
-- second. What a host really has left is told beside what it has not promised yet.

ALTER TABLE pane.pool
	ADD memory jsonb NOT NULL DEFAULT '{}', -- {"merge", "huge"}; docs/contracts.md
	ADD limits jsonb NOT NULL DEFAULT '{}', -- {"disk": {"bytes_per_s", "ops_per_s"}, "net": the same}
	ADD CONSTRAINT pool_memory_vm CHECK (isolation = 'vm'
		OR NOT coalesce((memory ->> 'merge')::boolean, false) AND NOT coalesce((memory ->> 'huge')::boolean, false)),
	ADD CONSTRAINT pool_limits_vm CHECK (isolation = 'vm' OR NOT limits ? 'net');

ALTER TABLE pane.host
	ADD memory_available_mib bigint; -- measured, above its reserve; NULL: its agent does not tell
