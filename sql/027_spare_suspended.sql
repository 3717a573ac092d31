-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A pool's second tier: spare desktops that are suspended, beside those that run. They take disk instead of processors,
-- and go on in a moment where a new one would have to begin.

ALTER TABLE pane.pool
	ADD COLUMN spare_suspended integer NOT NULL DEFAULT 0 CHECK (spare_suspended BETWEEN 0 AND 10000),
	ADD CONSTRAINT pool_spare_suspended CHECK (isolation = 'vm' OR spare_suspended = 0);
