/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /users. A password that nobody gave is generated and shown once, or a welcome token takes its
 * place. Who is deleted goes to the bin first, unless forced.
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

enum req_step api_may_manage(struct db *db, struct req *r, const char *name)
{
	if (db_exec(db, "SELECT pane.may_manage($1, $2)", name,
		    r->role == ROLE_ADMIN ? "true" : "false"))
		return req_fail_db(r, db);
	return REQ_DONE;
}

static enum req_step may_give(struct req *r, const struct user_body *u)
{
	if (!u->role || !strcmp(u->role, "user") || r->role == ROLE_ADMIN)
		return REQ_DONE;
	return req_fail(r, 403, "role.admin", "Only an administrator gives roles.");
}

/* Adds what is shown once, the generated password or the welcome token, to the user. */
static enum req_step reply_created(struct db *db, struct req *r, const char *text,
				   const struct user_body *u, const char *generated)
{
	json_t *o = json_loads(text, 0, NULL);

	if (o && u->welcome && api_give_welcome(db, r, u->name, o) != REQ_DONE) {
		json_decref(o);
		return REQ_FAIL;
	}
	if (o && !u->welcome && !u->password)
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
	if (may_give(r, &u) != REQ_DONE)
		return REQ_FAIL;
	random_password(made, GENERATED_LEN);
	if (!u.welcome && password_hash(u.password ? u.password : made, hash))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	text = db_text(db, "SELECT pane.user_add($1, $2, $3, $4, $5)", u.name,
		       u.welcome ? NULL : hash, u.role, u.full_name, u.email);
	if (!text)
		return req_fail_db(r, db);
	step = reply_created(db, r, text, &u, made);
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
	if (may_give(r, &u) != REQ_DONE || api_may_manage(db, r, r->arg[0]) != REQ_DONE)
		return REQ_FAIL;
	if (u.password && password_hash(u.password, hash))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	if ((u.full_name || u.email) &&
	    db_exec(db,
		    "UPDATE pane.users SET full_name = coalesce($2, full_name), email = "
		    "coalesce($3, email) WHERE name = $1",
		    r->arg[0], u.full_name, u.email))
		return req_fail_db(r, db);
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
	if (api_may_manage(db, r, r->arg[0]) != REQ_DONE)
		return REQ_FAIL;
	if (!r->force &&
	    db_exec(db,
		    "SELECT pane.local_only($1, 'remove them there, or disable them here "
		    "(force it once there is no directory any more)')",
		    r->arg[0]))
		return req_fail_db(r, db);
	if (db_exec(db, "SELECT pane.user_retire($1, $2)", r->arg[0],
		    DB_INT(r->force ? 0 : b->conf->retention_s)))
		return req_fail_db(r, db);
	return api_empty(r);
}
