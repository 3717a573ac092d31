/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /oidc: logins by an OpenID Connect provider. A login in flight is a row by the hash of its state,
 * good once, and a cookie of the browser that began it: state, nonce and verifier (RFC 7636) are
 * derived from the cookie's secret, so that whoever reads the database, the provider's address or
 * a log has none of them, and a login begun elsewhere cannot be finished here.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/browser.h"
#include "broker/helpers.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#define WAIT_S	 40
#define WORD_LEN 43 /* base64url of SHA-256 */
#define CODE_LEN 4096
#define FLIGHT_S 600

static enum req_step none(struct req *r)
{
	return req_fail(r, 409, "oidc.none",
			"There is no login provider: add [oidc] to the broker's configuration.");
}

/* What one login's secret gives for a purpose. */
static void word_of(const char *secret, const char *purpose, char out[WORD_LEN + 1])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char text[160];
	int n = snprintf(text, sizeof(text), "pane oidc %s %s", purpose, secret);

	SHA256((uint8_t *)text, (size_t)n, digest);
	base64url_encode(out, digest, sizeof(digest));
	explicit_bzero(text, sizeof(text));
}

static int ask_ms(const struct broker *b)
{
	return b->conf->oidc.timeout_s * 3000; /* configuration, keys and token */
}

/* Asks a helper (and takes the reference), or fetches its answer: NULL while the request is held,
 * or the reply is set. */
static json_t *ask(struct broker *b, struct req *r, json_t *what, enum req_step *step)
{
	char key[HELPERS_KEY];
	json_t *o = NULL;

	if (r->helper_id) {
		json_decref(what); /* it was asked already */
		o = helpers_answer(b->oidc, r->helper_id);
	} else {
		r->helper_id = helpers_ask(b->oidc, what, ask_ms(b));
	}
	if (!r->helper_id) {
		*step = req_fail(r, 503, "oidc.busy",
				 "The login provider is asked too much already. Try again.");
		return NULL;
	}
	helpers_key(b->oidc, r->helper_id, key);
	if (!o && !r->expired) {
		*step = req_hold(r, WAIT_S, "%s", key);
		return NULL;
	}
	if (!o)
		helpers_forget(b->oidc, r->helper_id);
	r->helper_id = 0;
	if (o && !json_object_get(o, "error"))
		return o;
	*step = req_fail(r, 503, "oidc.unavailable",
			 "The login provider cannot be asked: %s. Try again, or log in with your "
			 "password.",
			 o ? json_string_value(json_object_get(o, "error")) : "no answer in time");
	json_decref(o);
	return NULL;
}

enum req_step api_login_ways(struct broker *b, struct db *db, struct req *r)
{
	json_t *oidc = b->oidc ? json_pack("{s:s}", "name", b->conf->oidc.name) : json_null();

	(void)db;
	return req_reply_json(r, 200, json_pack("{s:o}", "oidc", oidc));
}

/* ---- the way there ---- */

/* Percent-encoded into out from at on; the new end. */
static size_t put(char *out, size_t size, size_t at, const char *s)
{
	for (; *s && at + 4 < size; s++)
		at += (size_t)snprintf(out + at, size - at,
				       isalnum((unsigned char)*s) || strchr("-._~", *s) ? "%c"
											: "%%%02X",
				       (unsigned char)*s);
	return at;
}

static json_t *address(const struct oidc_conf *c, const char *endpoint, const char *secret)
{
	char url[4096], scope[512], state[WORD_LEN + 1], nonce[WORD_LEN + 1],
		verifier[WORD_LEN + 1], challenge[WORD_LEN + 1];
	static const char *const usual[] = {"profile", "email", NULL};
	uint8_t digest[SHA256_DIGEST_LENGTH];
	const char *const *s = c->scopes ? (const char *const *)c->scopes : usual;
	size_t n = (size_t)snprintf(scope, sizeof(scope), "openid");

	for (; *s && n < sizeof(scope); s++)
		n += (size_t)snprintf(scope + n, sizeof(scope) - n, " %s", *s);
	word_of(secret, "state", state);
	word_of(secret, "nonce", nonce);
	word_of(secret, "verifier", verifier);
	SHA256((uint8_t *)verifier, WORD_LEN, digest); /* RFC 7636 4.2, S256 */
	base64url_encode(challenge, digest, sizeof(digest));
	n = (size_t)snprintf(url, sizeof(url),
			     "%.2000s%cresponse_type=code&state=%s&nonce=%s&code_challenge=%s"
			     "&code_challenge_method=S256&client_id=",
			     endpoint, strchr(endpoint, '?') ? '&' : '?', state, nonce, challenge);
	n = put(url, sizeof(url), n, c->client_id);
	n += (size_t)snprintf(url + n, sizeof(url) - n, "&redirect_uri=");
	n = put(url, sizeof(url), n, c->redirect_uri);
	n += (size_t)snprintf(url + n, sizeof(url) - n, "&scope=");
	put(url, sizeof(url), n, scope);
	return json_pack("{s:s}", "url", url);
}

enum req_step api_oidc_begin(struct broker *b, struct db *db, struct req *r)
{
	char secret[TICKET_LEN + 1], state[WORD_LEN + 1], hash[DB_HASH_LEN], source[64];
	cleanup_json json_t *said = NULL;
	enum req_step step = REQ_DONE;

	if (!b->oidc)
		return none(r);
	if (!browser_own_page(r))
		return browser_foreign(r);
	said = ask(b, r, json_pack("{s:s}", "op", "begin"), &step);
	if (!said)
		return step;
	ticket_make(OIDC_PREFIX, secret);
	word_of(secret, "state", state);
	db_hash(hash, state, WORD_LEN);
	req_source(r->client, source);
	if (db_exec(db, "SELECT pane.oidc_begin($1, $2, $3)", hash, source, DB_INT(FLIGHT_S)))
		return req_fail_db(r, db);
	browser_flight(r, secret, FLIGHT_S);
	step = req_reply_json(
		r, 200,
		address(&b->conf->oidc,
			json_string_value(json_object_get(said, "authorization_endpoint")),
			secret));
	explicit_bzero(secret, sizeof(secret));
	return step;
}

/* ---- the way back ---- */

struct back {
	const char *state, *code, *totp, *issuer;
};

static enum req_step lost(struct db *db, struct req *r, const char *why)
{
	if (audit_write(db, r, "", "login", "", "denied", why))
		return req_fail_db(r, db);
	return req_fail(
		r, 403, "oidc.state",
		"This login was begun in another browser, is over already or took too long. "
		"Begin again.");
}

static enum req_step read_back(struct broker *b, struct req *r, struct back *k)
{
	static const char *const keys[] = {"state", "code", "totp", "iss", NULL};
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) ||
	    json_need_str(r->json, "state", 1, 128, &k->state, &e) ||
	    json_opt_str(r->json, "code", CODE_LEN, &k->code, &e) ||
	    json_opt_str(r->json, "totp", CODE_MAX, &k->totp, &e) ||
	    json_opt_str(r->json, "iss", 1000, &k->issuer, &e))
		return req_fail_err(r, &e);
	if (k->issuer && strcmp(k->issuer, b->conf->oidc.issuer)) /* RFC 9207 2.4 */
		return req_fail(r, 403, "oidc.state", "Another provider sent you here.");
	return REQ_DONE;
}

/* Is the state that of the browser's own login? Both derive from its cookie. */
static bool of_this_browser(const struct req *r, const char *state)
{
	char own[WORD_LEN + 1];

	if (!ticket_form(OIDC_PREFIX, r->flight))
		return false;
	word_of(r->flight, "state", own);
	return strlen(state) == WORD_LEN && !CRYPTO_memcmp(own, state, WORD_LEN);
}

static json_t *question(const struct req *r, const struct back *k)
{
	char verifier[WORD_LEN + 1], nonce[WORD_LEN + 1];

	word_of(r->flight, "verifier", verifier);
	word_of(r->flight, "nonce", nonce);
	return json_pack("{s:s, s:s, s:s, s:s}", "op", "finish", "code", k->code, "verifier",
			 verifier, "nonce", nonce);
}

/* The user's name is known. With a second factor missing the login waits for its code, under the
 * same state. */
static enum req_step enter(struct broker *b, struct db *db, struct req *r, const struct back *k,
			   const char *user, const char *hash)
{
	struct auth_try t = {.action = "login",
			     .user = user,
			     .code = k->totp,
			     .where = b->conf->oidc.second_factor ? AUTH_CODE_FIELD
								  : AUTH_CODE_NOT_ASKED};
	struct auth_who who = {0};
	enum req_step step = auth_vouched(b, db, r, &t, &who);

	if (step == REQ_DONE)
		step = login_open(b, db, r, &who, true);
	else if (!strncmp(r->code, "totp.", 5) || !strcmp(r->code, "login.throttled") || k->totp)
		if (db_exec(db, "SELECT pane.oidc_proven($1, $2, $3)", hash, user,
			    DB_INT(FLIGHT_S)))
			step = req_fail_db(r, db);
	explicit_bzero(&who, sizeof(who));
	return step;
}

/* The right sides of the map. */
static json_t *mapped(char *const *map)
{
	json_t *list = json_array();

	for (; *map; map++)
		json_array_append_new(list, json_string(strrchr(*map, '=') + 1));
	return list;
}

static enum req_step join_groups(struct broker *b, struct db *db, struct req *r, const char *user,
				 json_t *in)
{
	cleanup_json json_t *all = mapped(b->conf->oidc.group_map);
	cleanup_free char *map = json_dumps(all, JSON_COMPACT),
			  *groups = json_dumps(in, JSON_COMPACT);

	if (db_exec(db, "SELECT pane.oidc_groups($1, $2, $3, $4)", user, map, groups,
		    DB_INT(b->conf->retention_s)))
		return req_fail_db(r, db);
	return REQ_DONE;
}

static enum req_step known(struct broker *b, struct db *db, struct req *r, const struct back *k,
			   json_t *said, const char *hash)
{
	const char *theirs = json_string_value(json_object_get(said, "user")),
		   *why = json_string_value(json_object_get(said, "why"));
	json_t *groups = json_object_get(said, "groups");
	cleanup_free char *user = NULL;

	if (!json_is_true(json_object_get(said, "ok"))) {
		if (audit_write(db, r, "", "login", "", "denied", why ? why : "?"))
			return req_fail_db(r, db);
		return req_fail(r, 403, "oidc.refused",
				"The login provider's answer does not prove who you are: %s.",
				why ? why : "?");
	}
	user = db_text(db, "SELECT pane.oidc_user($1, $2)", theirs, b->conf->oidc.user_match);
	if (!user) {
		if (db->fail.status || audit_write(db, r, theirs, "login", "", "denied",
						   "nobody here is who the provider says"))
			return req_fail_db(r, db);
		return auth_denied(r);
	}
	if (json_is_array(groups) && join_groups(b, db, r, user, groups) != REQ_DONE)
		return REQ_FAIL;
	return enter(b, db, r, k, user, hash);
}

enum req_step api_oidc_finish(struct broker *b, struct db *db, struct req *r)
{
	cleanup_json json_t *said = NULL;
	cleanup_free char *taken = NULL;
	enum req_step step = REQ_DONE;
	char hash[DB_HASH_LEN];
	struct back k = {.state = ""};

	if (!b->oidc)
		return none(r);
	if (!browser_own_page(r))
		return browser_foreign(r);
	step = read_back(b, r, &k);
	if (step != REQ_DONE)
		return step;
	if (!of_this_browser(r, k.state))
		return lost(db, r, "a state of another browser");
	db_hash(hash, k.state, WORD_LEN);
	if (!r->helper_id) {
		taken = db_text(db, "SELECT pane.oidc_take($1)", hash);
		if (!taken)
			return db->fail.status ? req_fail_db(r, db)
					       : lost(db, r, "a state used before, or too old");
		if (*taken)
			return enter(b, db, r, &k, taken, hash);
		if (!k.code)
			return req_fail(r, 400, "request.invalid", "\"code\" is missing.");
	}
	said = ask(b, r, question(r, &k), &step);
	return said ? known(b, db, r, &k, said, hash) : step;
}

enum req_step api_oidc_test(struct broker *b, struct db *db, struct req *r)
{
	enum req_step step = REQ_DONE;
	json_t *said;

	(void)db;
	if (!b->oidc)
		return none(r);
	said = ask(b, r, json_pack("{s:s}", "op", "test"), &step);
	return said ? req_reply_json(r, 200, said) : step;
}
