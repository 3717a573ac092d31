/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /pools/NAME/roles: who runs, helps in or looks at one pool without being that everywhere.
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"

enum req_step api_delegation_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_delegations($1)", r->arg[0]),
			"pool.unknown", "pool");
}

enum req_step api_delegate(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"who", "role", NULL};
	static const char *const roles[] = {"readonly", "helpdesk", "operator", NULL};
	const char *who = NULL, *role = NULL;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "who", 1, 71, &who, &e) ||
	    json_need_str(r->json, "role", 1, 16, &role, &e) ||
	    valid_word(r->json, "role", roles, &role, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], who);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.delegate($1, $2, $3)", r->arg[0], who, role),
			"pool.unknown", "pool");
}

enum req_step api_undelegate(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], r->arg[1]);
	if (db_exec(db, "SELECT pane.undelegate($1, $2)", r->arg[0], r->arg[1]))
		return req_fail_db(r, db);
	return api_empty(r);
}
