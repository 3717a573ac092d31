-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- RDP clients that do NLA prove a secret without saying it, by the MD4 of it in UTF-16LE. Of a ticket, 256 random bits
-- for half a minute, it may be kept: it lets nobody in, since the ticket itself is asked for right after the proof.

ALTER TABLE pane.ticket ADD COLUMN nt_hash bytea CHECK (length(nt_hash) = 16);
CREATE INDEX ticket_user ON pane.ticket (user_id) WHERE used_at IS NULL;
