-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What machines' threads for disks and network cards took of processors, apart from the rest of their overhead. What
-- was reported before these columns were there has it in overhead.

ALTER TABLE pane.usage ADD COLUMN io real;       -- thousandths of a processor; NULL: nobody can tell
ALTER TABLE pane.usage_day ADD COLUMN io_s double precision NOT NULL DEFAULT 0;
ALTER TABLE pane.usage_piece ADD COLUMN io_s double precision NOT NULL DEFAULT 0;
