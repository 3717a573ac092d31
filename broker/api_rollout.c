/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /pools/{name}/rollout: taking the desktops of a pool to another version of its image. The
 * reconciler does it (sql/code/21_rollout.sql); here it is begun, watched, paused and stopped.
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>

enum req_step api_rollout_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_rollout($1)", r->arg[0]),
			"rollout.unknown", "update of that pool");
}

static int valid_rollout(json_t *o, struct err *e)
{
	static const char *const keys[] = {"version",		"canary", "parallel", "force_at",
					   "continue_on_error", NULL};
	const char *version = NULL, *at = NULL;
	int64_t n = 0;
	bool flag;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_opt_str(o, "version", 63, &version, e);
	if (!r && version)
		r = valid_image_name(version, e);
	if (!r)
		r = json_opt_int(o, "canary", 1, 10000, &n, e);
	if (!r)
		r = json_opt_int(o, "parallel", 1, 1000, &n, e);
	if (!r)
		r = json_opt_bool(o, "continue_on_error", &flag, e);
	if (!r)
		r = json_opt_str(o, "force_at", 40, &at, e);
	if (!r && at && valid_time(at))
		r = err_set(e, -EINVAL,
			    "\"force_at\" is a time like 2026-01-31T22:00:00Z or …+01:00.");
	return r;
}

enum req_step api_rollout_start(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};

	(void)b;
	if (r->json && valid_rollout(r->json, &e))
		return req_fail_err(r, &e);
	text = r->json ? json_dumps(r->json, JSON_COMPACT) : strdup("{}");
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.rollout_start($1, $2, $3, $4)", r->arg[0], text,
				r->user, r->force ? "true" : "false"),
			"pool.unknown", "pool");
}

enum req_step api_rollout_change(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"state", NULL};
	const char *state = NULL;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "state", 1, 16, &state, &e))
		return req_fail_err(r, &e);
	if (strcmp(state, "running") && strcmp(state, "paused") && strcmp(state, "stopped"))
		return req_fail(r, 400, "request.invalid",
				"\"state\" must be \"running\", \"paused\" or \"stopped\".");
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.rollout_change($1, $2)", r->arg[0], state),
			"pool.unknown", "pool");
}
