/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See auth.h. The attempt is counted before it is made (pane.login_gate), so parallel guesses
 * count; an unknown name costs the same hash as a known one and is throttled the same.
 */
#include "broker/auth.h"
#include "broker/audit.h"
#include "broker/browser.h"
#include "broker/directory.h"
#include "broker/helpers.h"
#include "broker/password.h"
#include "broker/seal.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "broker/work.h"
#include "common/json.h"
#include "common/log.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

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
		"t.last_used_at < now() - interval '1 minute', true), coalesce(t.scope, 'admin') "
		"FROM pane.token t JOIN "
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
	r->scope = req_role_of(PQgetvalue(res, 0, 4));
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

static enum req_step deny(struct db *db, struct req *r, const struct auth_try *t, const char *user,
			  const char *why)
{
	if (audit_write(db, r, user, t->action, "", "denied", why))
		return req_fail_db(r, db);
	return auth_denied(r);
}

/* ---- the second factor ---- */

int auth_confirm(struct db *db, struct auth_who *who)
{
	char list[RECOVERY_CODES * (DB_HASH_LEN + 4) + 3] = "{", plain[RECOVERY_LEN + 1];
	size_t n = 1;

	for (int i = 0; i < RECOVERY_CODES; i++) {
		char hash[DB_HASH_LEN];

		recovery_make(who->recovery[i]);
		(void)!recovery_normal(who->recovery[i], plain);
		db_hash(hash, plain, strlen(plain));
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s\"\\%s\"", i ? "," : "", hash);
	}
	snprintf(list + n, sizeof(list) - n, "}");
	explicit_bzero(plain, sizeof(plain));
	who->enrolled = true;
	return db_exec(db, "SELECT pane.totp_confirm($1, $2)", who->id, list) ? -EIO : 0;
}

/* True when the statement's one value is true; *bad when it could not be asked. */
static bool db_true(struct db *db, const char *sql, const char *a, const char *b, bool *bad)
{
	cleanup_free char *text = db_text(db, sql, a, b);

	*bad = !text;
	return text && *text == 't';
}

int auth_code_take(struct db *db, const char *user_id, const char *secret, const char *code,
		   const char **why)
{
	char plain[RECOVERY_LEN + 1], hash[DB_HASH_LEN];
	int64_t step = totp_step(secret, time(NULL), code);
	bool ok, bad;

	*why = "wrong code";
	if (step >= 0) {
		ok = db_true(db, "SELECT pane.totp_take($1, $2)", user_id, DB_INT(step), &bad);
		*why = "code used before";
	} else if (recovery_normal(code, plain)) {
		db_hash(hash, plain, strlen(plain));
		explicit_bzero(plain, sizeof(plain));
		ok = db_true(db, "SELECT pane.recovery_take($1, $2)", user_id, hash, &bad);
		*why = "wrong recovery code";
	} else {
		return -EACCES;
	}
	return bad ? -EIO : ok ? 0 : -EACCES;
}

static enum req_step take_code(struct db *db, struct req *r, const struct auth_try *t,
			       const struct auth_who *who, const char *secret, const char *code)
{
	const char *why;
	int wait = gate(db, who->name, "totp", 5), n;

	if (wait < 0)
		return req_fail_db(r, db);
	if (wait) {
		r->retry_after_s = wait;
		return req_fail(r, 429, "login.throttled",
				"Too many wrong codes. Try again in %d s.", wait);
	}
	n = auth_code_take(db, who->id, secret, code, &why);
	if (n == -EACCES)
		return deny(db, r, t, who->name, why);
	if (n || db_exec(db, "DELETE FROM pane.throttle WHERE user_name = $1 AND source = 'totp'",
			 who->name))
		return req_fail_db(r, db);
	return REQ_DONE;
}

enum req_step auth_sealed(struct req *r, const char *user_id, int err)
{
	log_err("secrets.closed", "user=%s error=%s", user_id, err == -ENOKEY ? "key" : "changed");
	return req_fail(r, 503, "secret.closed",
			"The second factor of this account cannot be read: the broker's file of "
			"keys (secret_keys) lacks its key. Ask your administrator.");
}

enum req_step auth_begin(struct broker *b, struct db *db, struct req *r, const char *user_id,
			 bool moves, char secret[TOTP_SECRET_LEN + 1])
{
	char plain[SEAL_PLAIN_MAX + 1], sealed[SEAL_TEXT_MAX];
	cleanup_free char *kept = NULL;
	int n;

	totp_secret_make(plain);
	n = seal_close(b->seal, user_id, plain, sealed);
	if (n)
		return auth_sealed(r, user_id, n);
	kept = moves ? db_text(db, "SELECT pane.totp_move($1, $2)", user_id, sealed)
		     : db_text(db, "SELECT pane.totp_begin($1, $2)", user_id, sealed);
	if (!kept)
		return req_fail_db(r, db);
	n = seal_open(b->seal, user_id, kept, plain);
	if (n)
		return auth_sealed(r, user_id, n);
	snprintf(secret, TOTP_SECRET_LEN + 1, "%.*s", TOTP_SECRET_LEN, plain);
	explicit_bzero(plain, sizeof(plain));
	return REQ_DONE;
}

/* The role asks for a second factor that is not there yet: the login itself begins one, and the
 * login with a code of it makes it count. */
static enum req_step enroll(struct broker *b, struct db *db, struct req *r,
			    const struct auth_try *t, struct auth_who *who, const char *code)
{
	char secret[TOTP_SECRET_LEN + 1], uri[TOTP_URI_MAX];
	cleanup_json json_t *list = json_array();
	enum req_step step;

	if (t->where == AUTH_CODE_IN_PASSWORD)
		return req_fail(
			r, 403, "totp.enroll",
			"Your account asks for a second factor. Log in once in a browser or "
			"with pane login to set one up.");
	step = auth_begin(b, db, r, who->id, false, secret);
	if (step != REQ_DONE)
		return step;
	if (code) {
		step = take_code(db, r, t, who, secret, code);
		if (step == REQ_DONE && auth_confirm(db, who))
			step = req_fail_db(r, db);
		return step;
	}
	totp_uri(secret, "Pane", who->name, uri);
	json_array_append_new(list, json_string(uri));
	step = req_fail_reasons(r, 403, "totp.enroll", list,
				"Your account asks for a second factor. Add this address to an "
				"authenticator app and log in with the code it shows.");
	explicit_bzero(uri, sizeof(uri));
	return step;
}

/* What the database knows of a user who tries to log in. */
struct account {
	const char *id, *name, *role, *password, *secret;
	bool known, disabled, has_totp, needs_totp, directory;
};

static enum req_step second(struct broker *b, struct db *db, struct req *r,
			    const struct auth_try *t, const struct account *u, const char *code,
			    struct auth_who *who)
{
	char secret[SEAL_PLAIN_MAX + 1];
	enum req_step step;
	int n;

	if (t->where == AUTH_CODE_NOT_ASKED)
		return REQ_DONE;
	if (!u->has_totp)
		return u->needs_totp ? enroll(b, db, r, t, who, code) : REQ_DONE;
	if (code) {
		n = seal_open(b->seal, u->id, u->secret, secret);
		step = n ? auth_sealed(r, u->id, n) : take_code(db, r, t, who, secret, code);
		explicit_bzero(secret, sizeof(secret));
		return step;
	}
	if (audit_write(db, r, who->name, t->action, "", "denied", "no code"))
		return req_fail_db(r, db);
	return req_fail(
		r, 403, "totp.required", "%s",
		t->where == AUTH_CODE_FIELD
			? "Send the code of your authenticator app, too."
			: "Type the six digits of your authenticator app directly after the "
			  "password.");
}

static PGresult *look_up(struct db *db, const char *user, struct account *u)
{
	PGresult *res = db_query(
		db,
		"SELECT u.id, u.name, u.role, u.disabled, u.password, t.confirmed_at IS NOT NULL, "
		"t.secret, p.totp, u.origin = 'directory' FROM pane.users u JOIN pane.role_policy "
		"p ON p.role = u.role "
		"LEFT JOIN pane.totp t ON t.user_id = u.id WHERE u.name = $1",
		DB_ARGS(user));

	*u = (struct account){0};
	if (!res || PQntuples(res) != 1)
		return res;
	*u = (struct account){.known = true,
			      .id = PQgetvalue(res, 0, 0),
			      .name = PQgetvalue(res, 0, 1),
			      .role = PQgetvalue(res, 0, 2),
			      .disabled = *PQgetvalue(res, 0, 3) == 't',
			      .password = PQgetvalue(res, 0, 4),
			      .has_totp = *PQgetvalue(res, 0, 5) == 't',
			      .secret = PQgetvalue(res, 0, 6),
			      .needs_totp = *PQgetvalue(res, 0, 7) == 't',
			      .directory = *PQgetvalue(res, 0, 8) == 't'};
	return res;
}

static enum req_step let_in(struct db *db, struct req *r, const struct auth_try *t,
			    const struct auth_who *who, const char *source)
{
	if (db_exec(db, "SELECT pane.login_passed($1, $2, $3)", who->id, who->name, source) ||
	    audit_write(db, r, who->name, t->action, "", "ok", ""))
		return req_fail_db(r, db);
	return REQ_DONE;
}

/* Whether the password was right is known: what else is between a user and their login. */
static enum req_step judge(struct broker *b, struct db *db, struct req *r, const struct auth_try *t,
			   const struct account *u, const char *user, const char *wrong,
			   const char *code, const char *source, struct auth_who *who)
{
	enum req_step step;

	if (!u->known)
		return deny(db, r, t, user, "unknown user");
	if (wrong)
		return deny(db, r, t, user, wrong);
	if (u->disabled)
		return deny(db, r, t, user, "disabled");
	snprintf(who->id, sizeof(who->id), "%s", u->id);
	snprintf(who->name, sizeof(who->name), "%s", u->name);
	who->role = req_role_of(u->role);
	step = second(b, db, r, t, u, code, who);
	return step == REQ_DONE ? let_in(db, r, t, who, source) : step;
}

/* The directory is asked, and the request held until it has answered. */
static enum req_step ask_directory(struct broker *b, struct req *r, const char *user,
				   const char *password)
{
	char key[HELPERS_KEY];

	if (!b->directory)
		return req_fail(
			r, 503, "directory.none",
			"Your password is in a directory, and there is none in the broker's "
			"configuration.");
	r->helper_id = directory_ask(b->directory, json_pack("{s:s, s:s, s:s}", "op", "login",
							     "user", user, "password", password));
	if (!r->helper_id)
		return req_fail(r, 503, "directory.busy",
				"The directory is asked too much already. Try again.");
	helpers_key(directory_helpers(b->directory), r->helper_id, key);
	return req_hold(r, b->conf->directory.timeout_s * 2 + 2, "%s", key);
}

/* NULL: held again, or the reply is set. */
static json_t *directory_said(struct broker *b, struct req *r, enum req_step *step)
{
	struct helpers *h = directory_helpers(b->directory);
	json_t *o = helpers_answer(h, r->helper_id);
	const char *error;
	char key[HELPERS_KEY];

	if (!o && !r->expired) {
		helpers_key(h, r->helper_id, key);
		*step = req_hold(r, b->conf->directory.timeout_s * 2 + 2, "%s", key);
		return NULL;
	}
	if (!o)
		helpers_forget(h, r->helper_id);
	r->helper_id = 0;
	error = o ? json_string_value(json_object_get(o, "error")) : "no answer in time";
	if (!error)
		return o;
	log_warn("directory.login", "conn=%s error=%s", r->conn, LOG_Q(error));
	json_decref(o);
	*step = req_fail(r, 503, "directory.unavailable",
			 "The directory that knows your password does not answer. Try again.");
	return NULL;
}

static enum req_step check(struct broker *b, struct db *db, struct req *r, const struct auth_try *t,
			   const char *user, const char *source, struct auth_who *who)
{
	struct account u;
	cleanup_pgresult PGresult *res = look_up(db, user, &u);
	char alone[PASSWORD_MAX + 1] = "", digits[TOTP_DIGITS + 1];
	const char *password = t->password, *code = t->code, *wrong = NULL;
	cleanup_json json_t *said = NULL;
	enum req_step step = REQ_DONE;

	if (!res)
		return req_fail_db(r, db);
	if (t->where == AUTH_CODE_IN_PASSWORD && (u.has_totp || u.needs_totp) &&
	    totp_split(t->password, alone, sizeof(alone), digits)) {
		password = alone;
		code = digits;
	}
	if (r->helper_id) {
		said = directory_said(b, r, &step);
		if (said && !json_is_true(json_object_get(said, "ok")))
			wrong = json_string_value(json_object_get(said, "why"));
	} else if (u.directory) {
		step = ask_directory(b, r, user, password);
	} else if (!password_verify(password, u.known ? u.password : NULL)) {
		wrong = "wrong password";
	}
	explicit_bzero(alone, sizeof(alone));
	return step == REQ_DONE ? judge(b, db, r, t, &u, user, wrong, code, source, who) : step;
}

enum req_step auth_vouched(struct broker *b, struct db *db, struct req *r, const struct auth_try *t,
			   struct auth_who *who)
{
	struct account u;
	cleanup_pgresult PGresult *res = look_up(db, t->user, &u);
	char source[64];

	if (!res)
		return req_fail_db(r, db);
	req_source(r->client, source);
	return judge(b, db, r, t, &u, t->user, NULL, t->code, source, who);
}

enum req_step auth_password(struct broker *b, struct db *db, struct req *r,
			    const struct auth_try *t, struct auth_who *who)
{
	char name[129], source[64];
	enum req_step step = REQ_DONE;

	lower(name, sizeof(name), t->user);
	req_source(r->client, source);
	if (r->helper_id) /* the attempt was counted when the directory was asked */
		return check(b, db, r, t, name, source, who);
	if (!hash_pool_take(b->hashes)) {
		if (r->expired)
			return req_fail(r, 503, "login.busy",
					"Too many people log in at once. Try again.");
		return req_hold(r, HASH_WAIT_S, "hash");
	}
	r->wait_until_ms = 0;
	step = gates(b, db, r, name, source);
	if (step == REQ_DONE)
		step = check(b, db, r, t, name, source, who);
	hash_pool_give(b->hashes);
	work_wake_one(b->work, "hash");
	return step;
}
