/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See auth.h. The attempt is counted before it is made (pane.login_gate), so parallel guesses
 * count; an unknown name costs the same hash as a known one and is throttled the same.
 */
#include "broker/auth.h"
#include "broker/audit.h"
#include "broker/browser.h"
#include "broker/password.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "broker/work.h"

#include <ctype.h>
#include <string.h>

#define HASH_WAIT_S 10

enum req_step auth_denied(struct req *r)
{
	return req_fail(r, 403, "login.failed",
			"The user name, password or ticket is not right, or no longer valid.");
}

enum req_step auth_bearer(struct db *db, struct req *r)
{
	cleanup_pgresult PGresult *res = NULL;
	char hash[DB_HASH_LEN];

	if (browser_authorise(r) != REQ_DONE)
		return REQ_FAIL;
	if (ticket_hash(TOKEN_PREFIX, r->bearer, hash))
		return req_fail(r, 401, "login.needed",
				"Log in first: POST /api/v1/login and send the token as Bearer.");
	res = db_query(
		db,
		"SELECT u.id, u.name, least(u.role, t.scope), coalesce("
		"t.last_used_at < now() - interval '1 minute', true) FROM pane.token t JOIN "
		"pane.users u ON u.id = t.user_id WHERE t.hash = $1 AND t.expires_at > now() "
		"AND NOT u.disabled",
		DB_ARGS(hash));
	if (!res)
		return req_fail_db(r, db);
	if (PQntuples(res) != 1) {
		browser_forget(r);
		return req_fail(r, 401, "login.expired", "Your login has ended. Log in again.");
	}
	snprintf(r->user_id, sizeof(r->user_id), "%s", PQgetvalue(res, 0, 0));
	snprintf(r->user, sizeof(r->user), "%s", PQgetvalue(res, 0, 1));
	r->role = req_role_of(PQgetvalue(res, 0, 2));
	if (*PQgetvalue(res, 0, 3) == 't' &&
	    db_exec(db, "UPDATE pane.token SET last_used_at = now() WHERE hash = $1", hash))
		return req_fail_db(r, db);
	return REQ_DONE;
}

/* Seconds to wait, 0 = go ahead, or -1 with db->fail. */
static int gate(struct db *db, const char *user, const char *source, int free)
{
	cleanup_free char *text =
		db_text(db, "SELECT pane.login_gate($1, $2, $3)", user, source, DB_INT(free));

	return text ? atoi(text) : -1;
}

static enum req_step gates(struct broker *b, struct db *db, struct req *r, const char *user,
			   const char *source)
{
	int wait = gate(db, user, source, b->conf->login_free);

	if (!wait)
		wait = gate(db, "", source, b->conf->login_source_free);
	if (wait < 0)
		return req_fail_db(r, db);
	if (!wait)
		return REQ_DONE;
	r->retry_after_s = wait;
	return req_fail(r, 429, "login.throttled",
			"Too many failed logins from this address. Try again in %d s.", wait);
}

static void lower(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; s[i] && i + 1 < n; i++)
		out[i] = (char)tolower((unsigned char)s[i]);
	out[i] = 0;
}

static enum req_step deny(struct db *db, struct req *r, const char *action, const char *user,
			  const char *why)
{
	if (audit_write(db, r, user, action, "", "denied", why))
		return req_fail_db(r, db);
	return auth_denied(r);
}

static enum req_step check(struct db *db, struct req *r, const char *action, const char *user,
			   const char *password, const char *source, struct auth_who *who)
{
	cleanup_pgresult PGresult *res =
		db_query(db,
			 "SELECT id, name, role, disabled, password FROM pane.users "
			 "WHERE name = $1",
			 DB_ARGS(user));
	bool known, ok;

	if (!res)
		return req_fail_db(r, db);
	known = PQntuples(res) == 1;
	ok = password_verify(password, known ? PQgetvalue(res, 0, 4) : NULL);
	if (!known)
		return deny(db, r, action, user, "unknown user");
	if (!ok)
		return deny(db, r, action, user, "wrong password");
	if (*PQgetvalue(res, 0, 3) == 't')
		return deny(db, r, action, user, "disabled");
	snprintf(who->id, sizeof(who->id), "%s", PQgetvalue(res, 0, 0));
	snprintf(who->name, sizeof(who->name), "%s", PQgetvalue(res, 0, 1));
	who->role = req_role_of(PQgetvalue(res, 0, 2));
	if (db_exec(db, "SELECT pane.login_passed($1, $2, $3)", who->id, who->name, source) ||
	    audit_write(db, r, who->name, action, "", "ok", ""))
		return req_fail_db(r, db);
	return REQ_DONE;
}

enum req_step auth_password(struct broker *b, struct db *db, struct req *r, const char *action,
			    const char *user, const char *password, struct auth_who *who)
{
	char name[129], source[64];
	enum req_step step;

	if (!hash_pool_take(b->hashes)) {
		if (r->expired)
			return req_fail(r, 503, "login.busy",
					"Too many people log in at once. Try again.");
		return req_hold(r, HASH_WAIT_S, "hash");
	}
	r->wait_until_ms = 0;
	lower(name, sizeof(name), user);
	req_source(r->client, source);
	step = gates(b, db, r, name, source);
	if (step == REQ_DONE)
		step = check(db, r, action, name, password, source, who);
	hash_pool_give(b->hashes);
	work_wake_one(b->work, "hash");
	return step;
}
