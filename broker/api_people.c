/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Joiners and leavers: importing staff lists, welcome tokens that set a first password, and the
 * bin. A preview of an import is the import, undone: what it says is what would happen.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/password.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>

#define WELCOME_TTL_S (7 * 86400)
#define IMPORT_MAX    5000

enum req_step api_give_welcome(struct db *db, struct req *r, const char *name, json_t *o)
{
	char token[TICKET_LEN + 1], hash[DB_HASH_LEN];

	ticket_make(WELCOME_PREFIX, token);
	db_hash(hash, token, TICKET_LEN);
	if (db_exec(db, "SELECT pane.welcome_create($1, $2, $3)", name, hash,
		    DB_INT(WELCOME_TTL_S)))
		return req_fail_db(r, db);
	json_object_set_new(o, "welcome", json_string(token));
	explicit_bzero(token, sizeof(token));
	return REQ_DONE;
}

enum req_step api_user_welcome(struct broker *b, struct db *db, struct req *r)
{
	json_t *o = NULL;

	(void)b;
	if (api_may_manage(db, r, r->arg[0]) != REQ_DONE)
		return REQ_FAIL;
	o = json_pack("{s:s, s:i}", "user", r->arg[0], "expires_in_s", WELCOME_TTL_S);
	if (!o || api_give_welcome(db, r, r->arg[0], o) != REQ_DONE) {
		json_decref(o);
		return o ? REQ_FAIL
			 : req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	}
	return req_reply_json(r, 201, o);
}

/* Nobody is logged in yet: the token is the proof, and what is wrong with it is not told. */
enum req_step api_welcome(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"token", "password", NULL};
	const char *token = NULL, *password = NULL;
	char key[DB_HASH_LEN], hash[PASSWORD_HASH_MAX];
	cleanup_free char *name = NULL, *needs = NULL;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "token", 1, 128, &token, &e) ||
	    json_need_str(r->json, "password", 1, PASSWORD_MAX, &password, &e) ||
	    valid_password(password, &e))
		return req_fail_err(r, &e);
	if (!ticket_hash(WELCOME_PREFIX, token, key)) {
		cleanup_free char *known = NULL;

		known = db_text(db, "SELECT 1 FROM pane.welcome WHERE hash = $1", key);
		if (known && password_hash(password, hash)) /* strangers cost no hash */
			return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
		if (known)
			name = db_text(db, "SELECT pane.welcome_use($1, $2)", key, hash);
		if (!name && db->fail.status)
			return req_fail_db(r, db);
	}
	if (audit_write(db, r, name ? name : "", "welcome", name ? name : "",
			name ? "ok" : "denied", ""))
		return req_fail_db(r, db);
	if (!name)
		return req_fail(r, 403, "welcome.refused",
				"This welcome link is unknown, used or too old. Ask for a new "
				"one.");
	needs = db_text(db, "SELECT pane.needs_totp(id) FROM pane.users WHERE name = $1", name);
	return req_reply_json(
		r, 200,
		json_pack("{s:s, s:b}", "user", name, "totp_required", needs && *needs == 't'));
}

static int import_row(json_t *row, struct err *e)
{
	const char *user = NULL, *s = NULL, *state = "active";
	json_t *groups = json_object_get(row, "groups"), *g;
	size_t i;
	int r = json_need_str(row, "user", 1, 200, &user, e);

	if (!r)
		r = json_opt_str(row, "full_name", 400, &s, e);
	if (!r)
		r = json_opt_str(row, "email", 400, &s, e);
	if (!r)
		r = json_opt_str(row, "state", 20, &state, e);
	if (!r && strcmp(state, "active") && strcmp(state, "left"))
		r = err_set(e, -EINVAL, "\"state\" must be \"active\" or \"left\"");
	if (!r && groups && (!json_is_array(groups) || json_array_size(groups) > 100))
		r = err_set(e, -EINVAL, "\"groups\" must be a list of at most 100");
	json_array_foreach(groups, i, g) if (!r && !json_is_string(g)) r =
		err_set(e, -EINVAL, "\"groups\" must be names");
	return r;
}

/* Every row gets a welcome token, of which the created ones' are used; tokens[i] is row i's. What
 * is wrong with a row is refused with this row alone; an unknown field is a wrong program. */
static int import_prepare(json_t *rows, char (*tokens)[TICKET_LEN + 1], struct err *e)
{
	static const char *const keys[] = {"user", "full_name", "email", "groups", "state", NULL};
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		char hash[DB_HASH_LEN];
		struct err wrong = {0};

		json_object_del(row, "welcome_hash"); /* of a run that met a deadlock */
		json_object_del(row, "problem");
		if (valid_keys(row, keys, e))
			return err_prefix(e, "row %zu", i + 1);
		if (import_row(row, &wrong))
			json_object_set_new(row, "problem", json_string(wrong.msg));
		ticket_make(WELCOME_PREFIX, tokens[i]);
		db_hash(hash, tokens[i], TICKET_LEN);
		json_object_set_new(row, "welcome_hash", json_string(hash + 2));
	}
	return 0;
}

static enum req_step import_run(struct broker *b, struct db *db, struct req *r, json_t *rows,
				char (*tokens)[TICKET_LEN + 1])
{
	cleanup_free char *body = json_dumps(rows, JSON_COMPACT), *text = NULL;
	json_t *o, *item;
	size_t i;

	if (db_long(db) || (r->dry_run && db_exec_n(db, "SAVEPOINT dry_run", 0, NULL)))
		return req_fail_db(r, db);
	text = db_text(db, "SELECT pane.users_import($1, $2)::text", body,
		       DB_INT(b->conf->retention_s));
	if (!text || (r->dry_run && db_exec_n(db, "ROLLBACK TO SAVEPOINT dry_run", 0, NULL)))
		return req_fail_db(r, db);
	o = json_loads(text, 0, NULL);
	json_object_set_new(o, "dry_run", json_boolean(r->dry_run));
	json_array_foreach(json_object_get(o, "items"), i, item)
	{
		const char *action = json_string_value(json_object_get(item, "action"));

		if (!r->dry_run && action && !strcmp(action, "create"))
			json_object_set_new(item, "welcome", json_string(tokens[i]));
	}
	snprintf(r->object, sizeof(r->object), "%zu rows%s", json_array_size(rows),
		 r->dry_run ? ", preview" : "");
	return req_reply_json(r, 200, o);
}

enum req_step api_user_import(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"rows", NULL};
	cleanup_free char(*tokens)[TICKET_LEN + 1] = NULL;
	json_t *rows = NULL;
	struct err e = {0};
	enum req_step step;

	if (valid_keys(r->json, keys, &e) || json_need_array(r->json, "rows", &rows, &e))
		return req_fail_err(r, &e);
	if (json_array_size(rows) < 1 || json_array_size(rows) > IMPORT_MAX)
		return req_fail(r, 400, "request.invalid", "Send 1 to %d rows at a time.",
				IMPORT_MAX);
	tokens = calloc(json_array_size(rows), sizeof(*tokens));
	if (!tokens)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	if (import_prepare(rows, tokens, &e))
		step = req_fail_err(r, &e);
	else
		step = import_run(b, db, r, rows, tokens);
	explicit_bzero(tokens, json_array_size(rows) * sizeof(*tokens));
	return step;
}

enum req_step api_user_restore(struct broker *b, struct db *db, struct req *r)
{
	if (api_may_manage(db, r, r->arg[0]) != REQ_DONE)
		return REQ_FAIL;
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.user_restore($1, $2)", r->arg[0],
				DB_INT(b->conf->retention_s)),
			"user.unknown", "user");
}

enum req_step api_bin_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.list_bin()", 0, NULL), "not.found",
			"list");
}

enum req_step api_bin_restore(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 202, db_text(db, "SELECT pane.bin_restore($1)", r->arg[0]),
			"desktop.unknown", "desktop");
}
