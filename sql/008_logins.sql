-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Where a person is logged in: tokens without a name are logins. A person sees and ends their own, help
-- desk those of the people it may manage.

ALTER TABLE pane.token
	ADD COLUMN browser boolean NOT NULL DEFAULT false,  -- kept in a browser's cookie
	ADD COLUMN client text NOT NULL DEFAULT '' CHECK (length(client) <= 80),
	ADD COLUMN agent text NOT NULL DEFAULT '' CHECK (length(agent) <= 128); -- as the client says of itself
