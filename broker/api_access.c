/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /tokens for programs, and /lockouts: whose logins wait, and letting them in again. A token's
 * scope is a role, never above that of who makes it; one made with a token is bound by that token's
 * scope.
 */
#include "broker/api.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

#define TOKEN_TTL_MAX_S (366 * 86400)

static const char *whose(const struct req *r)
{
	return r->role == ROLE_ADMIN ? NULL : r->user_id;
}

enum req_step api_token_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_tokens($1)", whose(r)),
			"not.found", "list");
}

enum req_step api_token_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"name", "scope", "expires_in_s", NULL};
	const char *name = NULL, *scope = NULL;
	char token[TICKET_LEN + 1], hash[DB_HASH_LEN];
	cleanup_free char *text = NULL;
	int64_t ttl = 90 * 86400;
	struct err e = {0};
	json_t *o;

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "name", 1, 64, &name, &e) ||
	    valid_group_name(name, &e) || json_opt_str(r->json, "scope", 16, &scope, &e) ||
	    json_opt_int(r->json, "expires_in_s", 60, TOKEN_TTL_MAX_S, &ttl, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%.60s/%.60s", r->user, name);
	if (!scope)
		scope = req_role_name(r->role);
	if (req_role_of(scope) == ROLE_ANYONE)
		return req_fail(r, 400, "request.invalid",
				"\"scope\" is one of user, readonly, helpdesk, operator, admin.");
	if (req_role_of(scope) > r->role)
		return req_fail(r, 403, "role.missing", "A token can do no more than you: %s.",
				req_role_name(r->role));
	ticket_make(TOKEN_PREFIX, token);
	db_hash(hash, token, TICKET_LEN);
	text = db_text(db, "SELECT pane.token_make($1, $2, $3, $4, $5)", r->user_id, hash, name,
		       scope, DB_INT(ttl));
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	json_object_set_new(o, "token", json_string(token));
	explicit_bzero(token, sizeof(token));
	return req_reply_json(r, 201, o);
}

enum req_step api_token_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.token_end($1, $2)", whose(r), r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_lockout_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.list_lockouts()", 0, NULL),
			"not.found", "list");
}

/* "-" stands for no user (a source as a whole) or any source. */
enum req_step api_lockout_delete(struct broker *b, struct db *db, struct req *r)
{
	const char *user = strcmp(r->arg[0], "-") ? r->arg[0] : "";
	const char *source = strcmp(r->arg[1], "-") ? r->arg[1] : "";

	(void)b;
	snprintf(r->object, sizeof(r->object), "%.60s/%.60s", r->arg[0], r->arg[1]);
	if (user[0] && api_may_manage(db, r, user) != REQ_DONE)
		return REQ_FAIL;
	if (db_exec(db, "SELECT pane.lockout_release($1, $2)", user, source))
		return req_fail_db(r, db);
	return api_empty(r);
}
