/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /directory: how users come from there, a test that shows each step, and a comparison now.
 */
#include "broker/api.h"
#include "broker/directory.h"
#include "broker/helpers.h"
#include "broker/password.h"
#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

#define TEST_WAIT_S 40

static enum req_step none(struct req *r)
{
	return req_fail(r, 409, "directory.none",
			"There is no directory: add [directory] to the broker's configuration.");
}

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

enum req_step api_directory_get(struct broker *b, struct db *db, struct req *r)
{
	const struct directory_conf *c = &b->conf->directory;
	cleanup_free char *text = NULL;
	cleanup_json json_t *state = NULL;
	json_t *o;

	if (!b->directory)
		return none(r);
	text = db_text_n(db, "SELECT pane.get_directory()::text", 0, NULL);
	if (!text)
		return req_fail_db(r, db);
	state = json_loads(text, 0, NULL);
	o = json_pack("{s:s, s:s, s:s, s:o, s:s, s:i}", "uri", c->uri, "user_base", c->user_base,
		      "user_filter", c->user_filter, "group_base", text_or_null(c->group_base),
		      "group_filter", c->group_filter, "sync_s", c->sync_s);
	json_object_update(o, state);
	return req_reply_json(r, 200, o);
}

enum req_step api_directory_sync(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"force", NULL};
	bool force = false;
	struct err e = {0};

	(void)db;
	if (!b->directory)
		return none(r);
	if (r->json &&
	    (valid_keys(r->json, keys, &e) || json_opt_bool(r->json, "force", &force, &e)))
		return req_fail_err(r, &e);
	directory_sync(b->directory, force);
	return req_reply_json(r, 202, json_pack("{s:b}", "started", 1));
}

static enum req_step ask(struct broker *b, struct req *r)
{
	static const char *const keys[] = {"user", "password", NULL};
	const char *user = NULL, *password = NULL;
	json_t *o = json_pack("{s:s}", "op", "test");
	struct err e = {0};

	if (r->json &&
	    (valid_keys(r->json, keys, &e) || json_opt_str(r->json, "user", 128, &user, &e) ||
	     json_opt_str(r->json, "password", PASSWORD_MAX, &password, &e))) {
		json_decref(o);
		return req_fail_err(r, &e);
	}
	if (user)
		json_object_set_new(o, "user", json_string(user));
	if (password)
		json_object_set_new(o, "password", json_string(password));
	r->helper_id = directory_ask(b->directory, o);
	if (!r->helper_id)
		return req_fail(r, 503, "directory.busy",
				"The directory is asked too much already. Try again.");
	return REQ_DONE;
}

enum req_step api_directory_test(struct broker *b, struct db *db, struct req *r)
{
	cleanup_json json_t *o = NULL;
	enum req_step step = REQ_DONE;
	char key[HELPERS_KEY];

	(void)db;
	if (!b->directory)
		return none(r);
	if (!r->helper_id)
		step = ask(b, r);
	if (step != REQ_DONE)
		return step;
	o = helpers_answer(directory_helpers(b->directory), r->helper_id);
	helpers_key(directory_helpers(b->directory), r->helper_id, key);
	if (!o && !r->expired)
		return req_hold(r, TEST_WAIT_S, "%s", key);
	if (!o || json_object_get(o, "error"))
		return req_fail(r, 503, "directory.unavailable", "%s.",
				o ? json_string_value(json_object_get(o, "error"))
				  : "the directory did not answer in time");
	return req_reply_json(r, 200, json_incref(o));
}
