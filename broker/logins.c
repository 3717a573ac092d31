/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /me/logins and /users/{name}/logins: where somebody is logged in, and ending it. A login is a
 * token without a name; login_open() makes one once it is known who somebody is.
 */
#include "broker/api.h"
#include "broker/auth.h"
#include "broker/browser.h"
#include "broker/ticket.h"

#include <string.h>

enum req_step login_open(struct broker *b, struct db *db, struct req *r, const struct auth_who *who,
			 bool cookie)
{
	char token[TICKET_LEN + 1], hash[DB_HASH_LEN];
	int ttl = b->conf->token_ttl_s;
	json_t *o;

	ticket_make(TOKEN_PREFIX, token);
	db_hash(hash, token, TICKET_LEN);
	if (db_exec(db, "SELECT pane.login_open($1, $2, $3, $4, $5, $6)", who->id, hash,
		    DB_INT(ttl), r->client, r->agent, cookie ? "true" : "false"))
		return req_fail_db(r, db);
	o = json_pack("{s:{s:s, s:s}, s:i}", "user", "name", who->name, "role",
		      req_role_name(who->role), "expires_in_s", ttl);
	if (cookie)
		browser_keep(r, token, ttl);
	else if (o)
		json_object_set_new(o, "token", json_string(token));
	if (o && who->enrolled)
		json_object_set_new(o, "recovery_codes", api_recovery_codes(who));
	explicit_bzero(token, sizeof(token));
	return req_reply_json(r, 200, o);
}

enum req_step api_login_list(struct broker *b, struct db *db, struct req *r)
{
	char hash[DB_HASH_LEN];

	(void)b;
	if (ticket_hash(TOKEN_PREFIX, r->bearer, hash))
		return req_fail_db(r, db);
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_logins($1, $2)", r->user, hash),
			"not.found", "list");
}

enum req_step api_login_end(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.login_end($1, $2)", r->user, r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_login_end_all(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	snprintf(r->object, sizeof(r->object), "%s", r->user);
	if (db_exec(db, "SELECT pane.logins_end($1)", r->user))
		return req_fail_db(r, db);
	browser_forget(r);
	return api_empty(r);
}

enum req_step api_user_logins(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_logins($1, NULL)", r->arg[0]),
			"user.unknown", "user");
}

enum req_step api_user_logins_end(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (api_may_manage(db, r, r->arg[0]) != REQ_DONE ||
	    db_exec(db, "SELECT pane.logins_end($1)", r->arg[0]))
		return r->status ? REQ_FAIL : req_fail_db(r, db);
	return api_empty(r);
}
