/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /groups: people who are entitled together. What a change of members means for their desktops is
 * in sql/code/60_people.sql.
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"

enum req_step api_group_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_groups($1, $2)");
}

enum req_step api_group_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_group($1)", r->arg[0]),
			"group.unknown", "group");
}

enum req_step api_group_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"name", "description", NULL};
	const char *name = NULL, *text = NULL;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "name", 1, 64, &name, &e) ||
	    valid_group_name(name, &e) || json_opt_str(r->json, "description", 400, &text, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%s", name);
	return api_text(r, db, 201, db_text(db, "SELECT pane.group_create($1, $2)", name, text),
			"group.unknown", "group");
}

enum req_step api_group_delete(struct broker *b, struct db *db, struct req *r)
{
	if (db_long(db) || db_exec(db, "SELECT pane.group_delete($1, $2)", r->arg[0],
				   DB_INT(r->force ? 0 : b->conf->retention_s)))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_member_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"user", NULL};
	const char *user = NULL;
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "user", 1, 64, &user, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%.60s/%.64s", r->arg[0], user);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.group_member($1, $2, true, $3)", r->arg[0], user,
				DB_INT(b->conf->retention_s)),
			"group.unknown", "group");
}

enum req_step api_member_delete(struct broker *b, struct db *db, struct req *r)
{
	snprintf(r->object, sizeof(r->object), "%.60s/%.64s", r->arg[0], r->arg[1]);
	if (db_exec(db, "SELECT pane.group_member($1, $2, false, $3)", r->arg[0], r->arg[1],
		    DB_INT(r->force ? 0 : b->conf->retention_s)))
		return req_fail_db(r, db);
	return api_empty(r);
}
