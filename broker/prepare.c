/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /users/{name}/desktops: a desktop for somebody before they first log in; and restarting
 * one's own.
 */
#include "broker/api.h"
#include "broker/assign.h"
#include "broker/valid.h"
#include "common/json.h"

static enum req_step reply(struct req *r, const struct assignment *a)
{
	bool ready = a->kind == ASSIGN_READY;

	return req_reply_json(r, ready ? 200 : 202,
			      json_pack("{s:s, s:s?, s:s, s:i, s:b}", "state", a->state, "desktop",
					a->name[0] ? a->name : NULL, "message",
					ready ? "The desktop is ready." : assign_message(a),
					"percent", ready ? 100 : a->percent, "ready", ready));
}

/* Asked again it finds the same desktop: an assignment is made once. */
enum req_step api_prepare(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"pool", NULL};
	cleanup_assignment struct assignment a = {0};
	cleanup_free char *user = NULL;
	const char *name = NULL;
	char pool[40];
	struct err e = {0};
	enum req_step step;

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "pool", 1, 71, &name, &e))
		return req_fail_err(r, &e);
	if (api_may_manage(db, r, r->arg[0]) != REQ_DONE)
		return REQ_FAIL;
	user = db_text(db, "SELECT pane.need_user($1)", r->arg[0]);
	if (!user)
		return req_fail_db(r, db);
	step = broker_pick_pool(db, r, user, name, NULL, pool);
	if (step != REQ_DONE)
		return step;
	if (broker_assign(db, user, pool, &a))
		return req_fail_db(r, db);
	if (a.kind == ASSIGN_REFUSED)
		return req_fail_reasons(r, 409, "desktop.unavailable", a.reasons,
					"No desktop can be given now.");
	return reply(r, &a);
}

enum req_step api_my_restart(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 202,
			db_text(db, "SELECT pane.my_restart($1, $2)", r->user_id, r->arg[0]),
			"desktop.unknown", "desktop");
}
