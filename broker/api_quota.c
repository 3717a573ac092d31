/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /quotas: who may have how much; sql/code/42_quota.sql.
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"

enum req_step api_quota_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_quotas($1)", r->filter[REQ_USER]),
			"user.unknown", "user");
}

enum req_step api_quota_set(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"who", VALID_QUOTA_FIELDS, NULL};
	cleanup_free char *text = NULL;
	const char *who = NULL;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "who", 1, 71, &who, &e) ||
	    valid_quota(r->json, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%s", who);
	text = json_dumps(r->json, JSON_COMPACT);
	return api_text(r, db, 200, db_text(db, "SELECT pane.quota_set($1, $2)", who, text),
			"quota.unknown", "quota");
}

enum req_step api_quota_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.quota_delete($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}
