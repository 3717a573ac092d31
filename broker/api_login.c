/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Health, login and what a person may see and change of themselves.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/browser.h"
#include "broker/password.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

enum req_step api_text(struct req *r, struct db *db, int status, char *text, const char *code,
		       const char *what)
{
	if (text)
		return req_reply(r, status, text);
	if (db->fail.status)
		return req_fail_db(r, db);
	return req_fail(r, 404, code, "There is no %s %s.", what, r->arg[0]);
}

enum req_step api_page(struct req *r, struct db *db, const char *sql)
{
	return api_text(r, db, 200, db_text(db, sql, r->after, DB_INT(r->limit)), "not.found",
			"page");
}

enum req_step api_empty(struct req *r)
{
	return req_reply(r, 204, NULL);
}

enum req_step api_health(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *one = NULL;

	(void)b;
	one = db_text_n(db, "SELECT max(name) FROM pane.migration", 0, NULL);
	if (!one)
		return req_fail(r, 503, "database.unavailable",
				"The database does not answer or has no schema; run pane-broker "
				"migrate.");
	return req_reply_json(r, 200,
			      json_pack("{s:s, s:b, s:s, s:s}", "status", "ok", "database", 1,
					"version", PANE_VERSION, "schema", one));
}

enum req_step api_login(struct broker *b, struct db *db, struct req *r)
{
	struct login_body l;
	struct err e = {0};
	struct auth_who who = {0};
	enum req_step step;

	if (valid_login(r->json, &l, &e))
		return req_fail_err(r, &e);
	if (l.cookie && !browser_own_page(r))
		return browser_foreign(r);
	step = auth_password(b, db, r,
			     &(struct auth_try){.action = "login",
						.user = l.user,
						.password = l.password,
						.code = l.code,
						.where = AUTH_CODE_FIELD},
			     &who);
	if (step != REQ_DONE)
		return step;
	step = login_open(b, db, r, &who, l.cookie);
	explicit_bzero(&who, sizeof(who));
	return step;
}

enum req_step api_logout(struct broker *b, struct db *db, struct req *r)
{
	char hash[DB_HASH_LEN];

	(void)b;
	if (ticket_hash(TOKEN_PREFIX, r->bearer, hash) ||
	    db_exec(db, "DELETE FROM pane.token WHERE hash = $1", hash))
		return req_fail_db(r, db);
	browser_forget(r);
	return api_empty(r);
}

enum req_step api_me(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *totp = db_text(db, "SELECT pane.totp_state($1)::text", r->user_id);
	cleanup_free char *roles = db_text(db, "SELECT pane.delegations_of($1)::text", r->user_id);

	(void)b;
	if (!totp || !roles)
		return req_fail_db(r, db);
	return req_reply_json(r, 200,
			      json_pack("{s:s, s:s, s:o*, s:o*}", "name", r->user, "role",
					req_role_name(r->role), "totp", json_loads(totp, 0, NULL),
					"pools", json_loads(roles, 0, NULL)));
}

enum req_step api_me_password(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"old", "new", NULL};
	const char *old = NULL, *new = NULL;
	char hash[PASSWORD_HASH_MAX], keep[DB_HASH_LEN];
	struct auth_who who;
	struct err e = {0};
	enum req_step step;

	if (db_exec(db, "SELECT pane.local_only($1, 'change your password there')", r->user))
		return req_fail_db(r, db);
	if (valid_keys(r->json, keys, &e) ||
	    json_need_str(r->json, "old", 1, PASSWORD_MAX, &old, &e) ||
	    json_need_str(r->json, "new", 1, PASSWORD_MAX, &new, &e) || valid_password(new, &e))
		return req_fail_err(r, &e);
	step = auth_password(b, db, r,
			     &(struct auth_try){.action = "password.check",
						.user = r->user,
						.password = old,
						.where = AUTH_CODE_NOT_ASKED},
			     &who);
	if (step != REQ_DONE)
		return step;
	if (password_hash(new, hash))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	if (ticket_hash(TOKEN_PREFIX, r->bearer, keep) ||
	    db_exec(db, "UPDATE pane.users SET password = $2 WHERE id = $1", r->user_id, hash) ||
	    db_exec(db, "DELETE FROM pane.token WHERE user_id = $1 AND hash <> $2", r->user_id,
		    keep) ||
	    audit_write(db, r, NULL, "password.change", r->user, "ok", ""))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_me_desktops(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.my_desktops($1, $2)", r->user_id, r->client),
			"not.found", "list");
}
