-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The next warm desktop of a pool is the first entry of an index, however many there are: the order is that
-- of pane.assign_free().

CREATE INDEX desktop_warm ON pane.desktop (pool_id, state DESC, since) WHERE user_id IS NULL AND NOT dirty;
CREATE INDEX assignment_desktops ON pane.assignment (desktop_id);
CREATE INDEX session_conn ON pane.session (conn) WHERE conn <> '';
