-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Roles in one pool: who runs, helps in or looks at this pool only, and is a user everywhere else (code/46_delegation.sql).

CREATE TABLE pane.delegation (
	pool_id uuid NOT NULL REFERENCES pane.pool ON DELETE CASCADE,
	user_id uuid REFERENCES pane.users ON DELETE CASCADE,
	group_id uuid REFERENCES pane.groups ON DELETE CASCADE,
	role pane.role NOT NULL CHECK (role IN ('readonly', 'helpdesk', 'operator')),
	created_at timestamptz NOT NULL DEFAULT now(),
	CHECK (num_nonnulls(user_id, group_id) = 1),
	UNIQUE NULLS NOT DISTINCT (pool_id, user_id, group_id)
);
CREATE INDEX delegation_user ON pane.delegation (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX delegation_group ON pane.delegation (group_id) WHERE group_id IS NOT NULL;
