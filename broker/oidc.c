/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See oidc.h. One thread; what the provider says of itself (OpenID Connect Discovery 1.0) and its
 * keys are kept for a while, and its keys read again when a token is signed by one not among them:
 * providers rotate them. Claims are taken from the ID token alone.
 */
#include "broker/oidc.h"
#include "broker/helpers.h"
#include "broker/jwt.h"
#include "broker/oidcnet.h"
#include "common/file.h"
#include "common/json.h"
#include "common/loop.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define KEEP_MS		600000 /* what the provider said */
#define KEYS_AGAIN_MS	2000   /* keys are read again no more often */
#define SECRET_FILE_MAX 4096

struct provider {
	struct oidc_conf *conf; /* borrowed */
	struct oidcnet *net;	/* owned */
	json_t *meta, *keys;	/* owned; NULL while unknown */
	int64_t meta_ms, keys_ms;
};

int oidc_check(const struct oidc_conf *c, struct err *e)
{
	if (!c->client_id || !c->redirect_uri)
		return err_set(e, -EINVAL, "[oidc] needs client_id and redirect_uri");
	if (strncmp(c->issuer, "https://", 8) || strncmp(c->redirect_uri, "https://", 8))
		return err_set(e, -EINVAL, "[oidc] issuer and redirect_uri begin with https://");
	if (c->redirect_uri[strlen(c->redirect_uri) - 1] != '/')
		return err_set(e, -EINVAL,
			       "[oidc] redirect_uri is the console's address and ends with /");
	if (strcmp(c->user_match, "name") && strcmp(c->user_match, "email"))
		return err_set(e, -EINVAL, "[oidc] user_match is name or email");
	for (char **m = c->group_map; m && *m; m++)
		if (!strrchr(*m, '=') || strrchr(*m, '=') == *m || !strrchr(*m, '=')[1])
			return err_set(e, -EINVAL, "[oidc] group_map: %.100s is not THEIRS=OURS",
				       *m);
	return 0;
}

/* ---- what the provider says of itself ---- */

static const char *endpoint(json_t *meta, const char *name, struct err *e)
{
	const char *url = json_string_value(json_object_get(meta, name));

	if (url && !strncmp(url, "https://", 8))
		return url;
	err_set(e, -EPROTO, "the provider's configuration has no https %s", name);
	return NULL;
}

/* Discovery 4.1; the issuer it names must be ours (4.3). */
static int discover(struct provider *p, struct err *e)
{
	size_t n = strlen(p->conf->issuer);
	cleanup_json json_t *meta = NULL;
	const char *issuer;
	char url[1024];
	long status;
	int r;

	if (p->meta && clock_ms() - p->meta_ms < KEEP_MS)
		return 0;
	snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration",
		 (int)(n && p->conf->issuer[n - 1] == '/' ? n - 1 : n), p->conf->issuer);
	r = oidcnet_ask(p->net, url, NULL, NULL, NULL, &status, &meta, e);
	if (r)
		return r;
	issuer = json_string_value(json_object_get(meta, "issuer"));
	if (!issuer || strcmp(issuer, p->conf->issuer))
		return err_set(e, -EPROTO, "the provider says it is %.150s, not %.150s",
			       issuer ? issuer : "nobody", p->conf->issuer);
	if (!endpoint(meta, "authorization_endpoint", e) || !endpoint(meta, "token_endpoint", e) ||
	    !endpoint(meta, "jwks_uri", e))
		return -EPROTO;
	json_decref(p->meta);
	p->meta = steal_ptr(&meta);
	p->meta_ms = clock_ms();
	return 0;
}

/* again: a token names a key that is not there. */
static int read_keys(struct provider *p, bool again, struct err *e)
{
	int64_t age = clock_ms() - p->keys_ms;
	json_t *keys = NULL;
	long status;
	int r;

	if (p->keys && age < (again ? KEYS_AGAIN_MS : KEEP_MS))
		return 0;
	r = oidcnet_ask(p->net, endpoint(p->meta, "jwks_uri", e), NULL, NULL, NULL, &status, &keys,
			e);
	if (!r && !json_is_array(json_object_get(keys, "keys")))
		r = err_set(e, -EPROTO, "the provider's keys are no list");
	if (r) {
		json_decref(keys);
		return r;
	}
	json_decref(p->keys);
	p->keys = keys;
	p->keys_ms = clock_ms();
	return 0;
}

/* ---- a code for a token ---- */

static int read_secret(const struct oidc_conf *c, char **out, struct err *e)
{
	size_t n;
	int r;

	*out = NULL;
	if (!c->client_secret_file)
		return 0;
	r = file_read(c->client_secret_file, SECRET_FILE_MAX, out, &n, e);
	if (!r)
		(*out)[strcspn(*out, "\r\n")] = 0;
	return r;
}

/* Basic is what a provider that does not say takes (Discovery 3). */
static bool takes_basic(json_t *meta)
{
	json_t *list = json_object_get(meta, "token_endpoint_auth_methods_supported"), *v;
	bool post = false;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);

		if (s && !strcmp(s, "client_secret_basic"))
			return true;
		post |= s && !strcmp(s, "client_secret_post");
	}
	return !post;
}

static char *escape_or_empty(struct provider *p, const char *s)
{
	return oidcnet_escape(p->net, s ? s : "");
}

static char *token_form(struct provider *p, const char *code, const char *verifier,
			const char *secret)
{
	cleanup_free char *c = escape_or_empty(p, code), *v = escape_or_empty(p, verifier),
			  *u = escape_or_empty(p, p->conf->redirect_uri),
			  *id = escape_or_empty(p, p->conf->client_id),
			  *s = escape_or_empty(p, secret);
	char *form = NULL;

	if (!c || !v || !u || !id || !s ||
	    asprintf(&form,
		     "grant_type=authorization_code&code=%s&code_verifier=%s&redirect_uri=%s"
		     "&client_id=%s%s%s",
		     c, v, u, id, secret ? "&client_secret=" : "", s) < 0)
		form = NULL;
	if (s)
		explicit_bzero(s, strlen(s));
	return form;
}

static void wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

/* -EACCES: the provider does not take the code; else why it could not be asked. */
static int exchange(struct provider *p, const char *code, const char *verifier, json_t **out,
		    struct err *e)
{
	bool basic = takes_basic(p->meta);
	char *secret, *form, *user = NULL, *word = NULL;
	const char *why;
	long status = 0;
	int r = read_secret(p->conf, &secret, e);

	if (r)
		return r;
	form = token_form(p, code, verifier, basic ? NULL : secret);
	if (secret && basic) { /* RFC 6749 2.3.1: each encoded before it is joined */
		user = oidcnet_escape(p->net, p->conf->client_id);
		word = oidcnet_escape(p->net, secret);
	}
	r = form ? oidcnet_ask(p->net, endpoint(p->meta, "token_endpoint", e), form, user, word,
			       &status, out, e)
		 : -ENOMEM;
	wipe(secret);
	wipe(form);
	wipe(word);
	free(user);
	if (!r || status < 400 || status > 499)
		return r;
	why = json_string_value(json_object_get(*out, "error"));
	return err_set(e, -EACCES, "the provider refuses the code: %.60s", why ? why : "?");
}

/* ---- who it is ---- */

static int claims_of(struct provider *p, json_t *answer, const char *nonce, json_t **claims,
		     struct err *e)
{
	const char *token = json_string_value(json_object_get(answer, "id_token"));
	struct jwt_expect x = {p->conf->issuer, p->conf->client_id, nonce, time(NULL)};
	int r;

	*claims = NULL;
	if (!token)
		return err_set(e, -EACCES, "the provider's answer has no ID token");
	r = read_keys(p, false, e);
	if (!r)
		r = jwt_verify(token, p->keys, claims, e);
	if (r == -ENOKEY && !(r = read_keys(p, true, e)))
		r = jwt_verify(token, p->keys, claims, e);
	if (!r)
		r = jwt_check(*claims, &x, e);
	return r == -ENOKEY ? -EACCES : r;
}

/* Ours, of theirs: a list; null where the provider does not say (none are asked for, or they are
 * too many for a token and "_claim_names" says where they are instead). */
static json_t *groups_of(const struct oidc_conf *c, json_t *claims)
{
	json_t *theirs = c->groups_claim ? json_object_get(claims, c->groups_claim) : NULL, *v;
	json_t *ours;
	size_t i;

	if (!c->groups_claim || !c->group_map ||
	    (!theirs && json_object_get(json_object_get(claims, "_claim_names"), c->groups_claim)))
		return json_null();
	ours = json_array();
	for (char **m = c->group_map; *m; m++) {
		const char *eq = strrchr(*m, '=');

		json_array_foreach(theirs, i, v)
		{
			const char *s = json_string_value(v);

			if (s && strlen(s) == (size_t)(eq - *m) && !strncmp(s, *m, strlen(s)))
				json_array_append_new(ours, json_string(eq + 1));
		}
	}
	return ours;
}

static json_t *refused(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "why", why);
}

static json_t *who(const struct oidc_conf *c, json_t *claims)
{
	const char *user = json_string_value(json_object_get(claims, c->user_claim));
	char why[128];

	if (!user || !*user || strlen(user) > 200) {
		snprintf(why, sizeof(why), "the token has no claim %.80s", c->user_claim);
		return refused(why);
	}
	/* An address anybody may have typed there proves nothing. */
	if (!strcmp(c->user_claim, "email") &&
	    json_is_false(json_object_get(claims, "email_verified")))
		return refused("the provider has not verified the address");
	return json_pack("{s:b, s:s, s:o}", "ok", 1, "user", user, "groups", groups_of(c, claims));
}

/* ---- what is asked of us ---- */

static json_t *failed(const struct err *e)
{
	return json_pack("{s:s}", "error", e->msg);
}

static json_t *begin(struct provider *p)
{
	struct err e = {0};

	if (discover(p, &e))
		return failed(&e);
	return json_pack("{s:O}", "authorization_endpoint",
			 json_object_get(p->meta, "authorization_endpoint"));
}

static json_t *finish(struct provider *p, json_t *ask)
{
	cleanup_json json_t *answer = NULL, *claims = NULL;
	const char *code, *verifier, *nonce;
	struct err e = {0};
	int r;

	if (json_unpack(ask, "{s:s, s:s, s:s}", "code", &code, "verifier", &verifier, "nonce",
			&nonce))
		return json_pack("{s:s}", "error", "not understood");
	r = discover(p, &e);
	if (!r)
		r = exchange(p, code, verifier, &answer, &e);
	if (!r)
		r = claims_of(p, answer, nonce, &claims, &e);
	if (r == -EACCES)
		return refused(e.msg);
	return r ? failed(&e) : who(p->conf, claims);
}

static bool step(json_t *steps, const char *name, bool ok, const char *detail)
{
	json_array_append_new(
		steps, json_pack("{s:s, s:b, s:s}", "step", name, "ok", ok, "detail", detail));
	return ok;
}

/* The client and its secret are tried with a code that cannot be: what is wrong with it is told
 * apart from a client that is (RFC 6749 5.2). */
static bool try_client(struct provider *p, json_t *steps)
{
	cleanup_json json_t *answer = NULL;
	struct err e = {0};
	const char *why;
	int r = exchange(p, "pane-test", "pane-test-pane-test-pane-test-pane-test-pane", &answer,
			 &e);

	why = json_string_value(json_object_get(answer, "error"));
	if (r == -EACCES && why && !strcmp(why, "invalid_grant"))
		return step(steps, "client", true, "the provider knows the client and its secret");
	return step(steps, "client", false, r ? e.msg : "the provider took a code that is none");
}

static json_t *test(struct provider *p)
{
	json_t *steps = json_array(), *key;
	char detail[128];
	struct err e = {0};
	size_t i, n = 0;
	bool ok;

	p->meta_ms = p->keys_ms = INT64_MIN / 2; /* now, not as it was */
	ok = step(steps, "configuration", !discover(p, &e),
		  e.msg[0] ? e.msg : "the provider says who it is");
	if (ok && read_keys(p, false, &e))
		ok = step(steps, "keys", false, e.msg);
	if (ok) {
		json_array_foreach(json_object_get(p->keys, "keys"), i, key) n++;
		snprintf(detail, sizeof(detail), "%zu keys", n);
		ok = step(steps, "keys", n > 0, detail);
	}
	ok = ok && try_client(p, steps);
	if (ok)
		step(steps, "redirect", true, p->conf->redirect_uri);
	return json_pack("{s:b, s:o}", "ok", ok, "steps", steps);
}

static json_t *answer(void *arg, json_t *ask)
{
	struct provider *p = arg;
	const char *op = json_string_value(json_object_get(ask, "op"));

	if (op && !strcmp(op, "begin"))
		return begin(p);
	if (op && !strcmp(op, "finish"))
		return finish(p, ask);
	if (op && !strcmp(op, "test"))
		return test(p);
	return json_pack("{s:s}", "error", "not understood");
}

int oidc_run(struct oidc_conf *c, struct err *e)
{
	struct provider p = {.conf = c};

	if (!c->issuer)
		return err_set(e, -EINVAL, "there is no [oidc] in the configuration");
	p.net = oidcnet_new(c, e);
	if (!p.net)
		return -ENOMEM;
	helpers_serve(answer, &p);
	json_decref(p.meta);
	json_decref(p.keys);
	oidcnet_free(p.net);
	return 0;
}
