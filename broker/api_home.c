/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /homes: the files users have apart from their desktops. Deleting one is an order to its host
 * (sql/code/30_home.sql); the row goes when the host has carried it out.
 */
#include "broker/api.h"
#include "broker/valid.h"

enum req_step api_home_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_homes($1, $2)");
}

enum req_step api_home_delete(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *whose = NULL;

	(void)b;
	if (valid_uuid(r->arg[0]))
		return req_fail(r, 404, "home.unknown", "A home is named by its key here.");
	whose = db_text(db, "SELECT pool_name || '/' || user_name FROM pane.home WHERE key = $1",
			r->arg[0]);
	snprintf(r->object, sizeof(r->object), "%.80s %.36s", whose ? whose : "left behind",
		 r->arg[0]);
	if (db_exec(db, "SELECT pane.home_delete($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}
