-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Which report of a host is its newest: one that was overtaken on its way (a paused broker, a connection that had
-- been given up) must not be taken for what the host sees now.

ALTER TABLE pane.host
	ADD report_runs text[] NOT NULL DEFAULT '{}', -- of its agent, the newest first
	ADD report_n bigint NOT NULL DEFAULT 0;       -- of the newest run's newest report
