/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /users: administrators only. A password that nobody gave is generated and shown once.
 */
#include "broker/api.h"
#include "broker/password.h"
#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

#define GENERATED_LEN 16

enum req_step api_user_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_users($1, $2)");
}

enum req_step api_user_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_user($1)", r->arg[0]),
			"user.unknown", "user");
}

/* Adds the generated password to the user object the database answered with. */
static enum req_step reply_created(struct req *r, const char *text, const char *generated)
{
	json_t *o = json_loads(text, 0, NULL);

	if (o && generated)
		json_object_set_new(o, "password", json_string(generated));
	return req_reply_json(r, 201, o);
}

enum req_step api_user_create(struct broker *b, struct db *db, struct req *r)
{
	char made[GENERATED_LEN + 1], hash[PASSWORD_HASH_MAX];
	cleanup_free char *text = NULL;
	struct user_body u;
	struct err e = {0};
	enum req_step step;

	(void)b;
	if (valid_user_create(r->json, &u, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%s", u.name);
	random_password(made, GENERATED_LEN);
	if (password_hash(u.password ? u.password : made, hash))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	text = db_text(db, "SELECT pane.user_create($1, $2, $3)", u.name, hash, u.role);
	if (!text)
		return req_fail_db(r, db);
	step = reply_created(r, text, u.password ? NULL : made);
	explicit_bzero(made, sizeof(made));
	return step;
}

enum req_step api_user_update(struct broker *b, struct db *db, struct req *r)
{
	char hash[PASSWORD_HASH_MAX];
	struct user_body u;
	struct err e = {0};

	(void)b;
	if (valid_user_update(r->json, &u, &e))
		return req_fail_err(r, &e);
	if (u.password && password_hash(u.password, hash))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.user_update($1, $2, $3, $4)", r->arg[0],
				u.password ? hash : NULL, u.role,
				u.disabled < 0 ? NULL
				: u.disabled   ? "true"
					       : "false"),
			"user.unknown", "user");
}

enum req_step api_user_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.user_delete($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}
