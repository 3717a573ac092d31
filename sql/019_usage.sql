-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What desktops and hosts used: rings of the last hour by the minute and of the last day by ten minutes. A place of a
-- ring is written over when its time comes again, so nothing has to be cleared away and nothing grows. Not worth a line
-- of the write-ahead log: after a crash, and on another server, the rings begin anew.

CREATE UNLOGGED TABLE pane.usage (
	of uuid NOT NULL,               -- a desktop or a host
	step smallint NOT NULL,         -- minutes
	slot smallint NOT NULL,
	at timestamptz NOT NULL,        -- when the slot's time began
	n integer NOT NULL,             -- samples in these means
	cpu real,                       -- thousandths of a processor: of the guest, of a host in all
	overhead real,                  -- of the machine's process besides its guest
	display real,
	memory real,                    -- MiB
	display_memory real,
	disk_read real, disk_written real, net_in real, net_out real, -- KiB a second; NULL: nobody can tell
	PRIMARY KEY (of, step, slot)
) WITH (fillfactor = 70);               -- written over in place
