-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Indexes for the foreign keys that are walked from their other end. History (assignments, sessions) grows for as long
-- as the site lives, tickets for an hour: what deletes a user, a pool or a host, or takes a desktop's tickets back,
-- must not read all of them.

CREATE INDEX session_of_user ON pane.session (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX assignment_pool ON pane.assignment (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX assignment_host ON pane.assignment (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX ticket_desktop ON pane.ticket (desktop_id) WHERE used_at IS NULL; -- as pane.release() asks
CREATE INDEX home_pool ON pane.home (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX home_host ON pane.home (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX desktop_customize ON pane.desktop (customize) WHERE customize IS NOT NULL;
CREATE INDEX pool_customize ON pane.pool (customize) WHERE customize IS NOT NULL;
CREATE INDEX rollout_desktop_of ON pane.rollout_desktop (desktop_id);
CREATE INDEX image_tag_version ON pane.image_tag (version_id);
CREATE INDEX image_tag_move_image ON pane.image_tag_move (image_id);
CREATE INDEX image_tag_move_from ON pane.image_tag_move (from_id);
CREATE INDEX terminal_pool ON pane.terminal (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX shadow_helper ON pane.shadow (helper_id);
