-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Suspended desktops: not running, with their memory kept on their host's disk.

ALTER TABLE pane.host ADD COLUMN suspend boolean NOT NULL DEFAULT false; -- its agent can

ALTER TABLE pane.desktop ADD COLUMN suspend boolean NOT NULL DEFAULT false; -- where stopped is wanted: with its memory kept

ALTER TABLE pane.pool
	DROP CONSTRAINT pool_after_logoff_check,
	ADD CONSTRAINT pool_after_logoff_check CHECK (after_logoff IN ('keep', 'off', 'suspend', 'recycle')),
	ADD CONSTRAINT pool_suspend CHECK (isolation = 'vm' OR after_logoff IS DISTINCT FROM 'suspend');
