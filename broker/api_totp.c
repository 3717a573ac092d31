/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Enrolling in, renewing and giving up a second factor, and who must have one.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/password.h"
#include "broker/seal.h"
#include "broker/totp.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

json_t *api_recovery_codes(const struct auth_who *who)
{
	json_t *list = json_array();

	for (int i = 0; i < RECOVERY_CODES; i++)
		json_array_append_new(list, json_string(who->recovery[i]));
	return list;
}

/* Who is logged in shows their password again: a stolen token changes no second factor. */
static enum req_step again(struct broker *b, struct db *db, struct req *r, enum auth_code where,
			   struct auth_who *who)
{
	static const char *const keys[] = {"password", "code", NULL};
	struct auth_try t = {.action = "password.check", .user = r->user, .where = where};
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) ||
	    json_need_str(r->json, "password", 1, PASSWORD_MAX, &t.password, &e) ||
	    json_opt_str(r->json, "code", CODE_MAX, &t.code, &e))
		return req_fail_err(r, &e);
	return auth_password(b, db, r, &t, who);
}

enum req_step api_totp_begin(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *has = db_text(db, "SELECT pane.has_totp($1)", r->user_id);
	bool moves = has && *has == 't' && json_object_get(r->json, "code");
	char secret[TOTP_SECRET_LEN + 1], uri[TOTP_URI_MAX];
	struct auth_who who = {0};
	enum req_step step;

	if (!has)
		return req_fail_db(r, db);
	step = again(b, db, r, moves ? AUTH_CODE_FIELD : AUTH_CODE_NOT_ASKED, &who);
	if (step != REQ_DONE)
		return step;
	step = auth_begin(b, db, r, r->user_id, moves, secret);
	if (step != REQ_DONE)
		return step;
	totp_uri(secret, "Pane", r->user, uri);
	step = req_reply_json(r, 200, json_pack("{s:s, s:s}", "secret", secret, "uri", uri));
	explicit_bzero(uri, sizeof(uri));
	explicit_bzero(secret, sizeof(secret));
	return step;
}

static enum req_step confirmed(struct db *db, struct req *r, struct auth_who *who)
{
	enum req_step step;

	snprintf(who->name, sizeof(who->name), "%s", r->user);
	if (auth_confirm(db, who) || audit_write(db, r, NULL, "totp.enroll", r->user, "ok", ""))
		return req_fail_db(r, db);
	step = req_reply_json(r, 200,
			      json_pack("{s:o}", "recovery_codes", api_recovery_codes(who)));
	explicit_bzero(who, sizeof(*who));
	return step;
}

/* A code of the device that a second factor is moved to: 1 it counts now, 0 it is none of that. */
static int move(struct broker *b, struct db *db, struct req *r, const char *code)
{
	cleanup_free char *next =
		db_text(db, "SELECT next_secret FROM pane.totp WHERE user_id = $1", r->user_id);
	cleanup_free char *moved = NULL;
	char secret[SEAL_PLAIN_MAX + 1];
	int64_t at;

	if (!next)
		return db->fail.status ? -EIO : 0;
	if (seal_open(b->seal, r->user_id, next, secret))
		return 0;
	at = totp_step(secret, time(NULL), code);
	explicit_bzero(secret, sizeof(secret));
	if (at < 0)
		return 0;
	moved = db_text(db, "SELECT pane.totp_moved($1, $2, $3)", r->user_id, next, DB_INT(at));
	return moved ? *moved == 't' : -EIO;
}

/* The first code makes an enrolment count, or a move; a later one gives new recovery codes. */
enum req_step api_totp_confirm(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"code", NULL};
	cleanup_free char *kept = NULL, *wait = NULL;
	char secret[SEAL_PLAIN_MAX + 1];
	struct auth_who who = {0};
	const char *code = NULL, *why;
	struct err e = {0};
	int n;

	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "code", 1, CODE_MAX, &code, &e))
		return req_fail_err(r, &e);
	kept = db_text(db, "SELECT secret FROM pane.totp WHERE user_id = $1", r->user_id);
	if (!kept)
		return db->fail.status
			       ? req_fail_db(r, db)
			       : req_fail(r, 409, "totp.none",
					  "Begin an enrolment first: POST /api/v1/me/totp.");
	wait = db_text(db, "SELECT pane.login_gate($1, 'totp', 5)", r->user);
	if (!wait)
		return req_fail_db(r, db);
	r->retry_after_s = atoi(wait);
	if (r->retry_after_s)
		return req_fail(r, 429, "login.throttled",
				"Too many wrong codes. Try again in %d s.", r->retry_after_s);
	n = move(b, db, r, code);
	if (n < 0)
		return req_fail_db(r, db);
	if (!n) {
		n = seal_open(b->seal, r->user_id, kept, secret);
		if (n)
			return auth_sealed(r, r->user_id, n);
		n = auth_code_take(db, r->user_id, secret, code, &why);
		explicit_bzero(secret, sizeof(secret));
	} else {
		n = 0;
	}
	if (n == -EACCES)
		return req_fail(r, 400, "totp.wrong",
				"This code is not right, or was used before. Is the clock of the "
				"device right? Wait for the next code.");
	if (n || db_exec(db, "DELETE FROM pane.throttle WHERE user_name = $1 AND source = 'totp'",
			 r->user))
		return req_fail_db(r, db);
	snprintf(who.id, sizeof(who.id), "%s", r->user_id);
	return confirmed(db, r, &who);
}

enum req_step api_totp_end(struct broker *b, struct db *db, struct req *r)
{
	struct auth_who who = {0};
	enum req_step step = again(b, db, r, AUTH_CODE_FIELD, &who);

	if (step != REQ_DONE)
		return step;
	if (db_exec(db, "SELECT pane.totp_end($1)", r->user_id) ||
	    audit_write(db, r, NULL, "totp.end", r->user, "ok", ""))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_totp_reset(struct broker *b, struct db *db, struct req *r)
{
	enum req_step step = api_may_manage(db, r, r->arg[0]);

	(void)b;
	if (step != REQ_DONE)
		return step;
	if (db_exec(db, "SELECT pane.totp_reset($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_policy_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.get_policy()", 0, NULL), "not.found",
			"policy");
}

enum req_step api_policy_update(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"totp_roles", NULL};
	cleanup_free char *text = NULL;
	json_t *list = NULL, *v;
	struct err e = {0};
	size_t i;

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_array(r->json, "totp_roles", &list, &e))
		return req_fail_err(r, &e);
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || req_role_of(json_string_value(v)) == ROLE_ANYONE)
			return req_fail(r, 400, "request.invalid",
					"\"totp_roles\" is a list of user, readonly, helpdesk, "
					"operator, admin.");
	}
	snprintf(r->object, sizeof(r->object), "policy");
	text = json_dumps(r->json, JSON_COMPACT);
	return api_text(r, db, 200, db_text(db, "SELECT pane.policy_set($1)", text), "not.found",
			"policy");
}
