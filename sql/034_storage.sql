-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Storage that several hosts have: the mark of the directory in which a host keeps homes, as all that have it report the
-- same one. '' = its own disks.

ALTER TABLE pane.host ADD COLUMN storage text NOT NULL DEFAULT '';
