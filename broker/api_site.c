/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is of the whole site: its gateways, as they tell of themselves over internal.sock, what is
 * under way, and what the site looks like. Branding is read by whoever is not logged in yet:
 * nothing else is in it.
 */
#include "broker/api.h"
#include "broker/branding.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES_MAX 16
#define LISTEN_MAX	 64

/* ---- gateways ---- */

static int check_texts(json_t *list, const char *key, size_t many, size_t max, struct err *e)
{
	json_t *v;
	size_t i;

	if (json_array_size(list) > many)
		return err_set(e, -EINVAL, "\"%s\" is a list of at most %zu.", key, many);
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || json_string_length(v) > max)
			return err_set(e, -EINVAL,
				       "\"%s\" is a list of texts of at most %zu bytes.", key, max);
	}
	return 0;
}

static int check_certificate(json_t *o, struct err *e)
{
	static const char *const keys[] = {"use",	  "file",	"names",     "subject",
					   "issuer",	  "not_before", "not_after", "key",
					   "fingerprint", NULL};
	static const char *const uses[] = {"clients", "hosts", "ca", NULL};
	static const char *const times[] = {"not_before", "not_after"};
	const char *s;
	json_t *names;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_need_str(o, "use", 1, 16, &s, e);
	if (!r)
		r = valid_word(o, "use", uses, NULL, e);
	if (!r)
		r = json_need_str(o, "file", 1, 4096, &s, e);
	if (!r)
		r = json_need_str(o, "subject", 0, 400, &s, e);
	if (!r)
		r = json_need_str(o, "issuer", 0, 400, &s, e);
	if (!r)
		r = json_need_str(o, "key", 1, 64, &s, e);
	if (!r)
		r = json_need_str(o, "fingerprint", 64, 64, &s, e);
	for (size_t i = 0; !r && i < ARRAY_LEN(times); i++) {
		r = json_need_str(o, times[i], 20, 20, &s, e);
		if (!r && valid_time(s))
			r = err_set(e, -EINVAL, "\"%s\" is a time like 2026-01-31T22:00:00Z.",
				    times[i]);
	}
	if (!r)
		r = json_need_array(o, "names", &names, e);
	return r ? r : check_texts(names, "names", 64, 253, e);
}

static int check_gateway(json_t *o, struct err *e)
{
	static const char *const keys[] = {"name", "version", "listen", "certificates", NULL};
	const char *name, *version;
	json_t *listen, *certs, *c;
	size_t i;
	int r = valid_keys(o, keys, e);

	if (!r)
		r = json_need_str(o, "name", 1, 63, &name, e);
	if (!r)
		r = json_need_str(o, "version", 1, 64, &version, e);
	if (!r)
		r = json_need_array(o, "listen", &listen, e);
	if (!r)
		r = check_texts(listen, "listen", LISTEN_MAX, 300, e);
	if (!r)
		r = json_need_array(o, "certificates", &certs, e);
	if (r)
		return r;
	if (name[0] == '.' || name[0] == '_' || name[0] == '-' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")])
		return err_set(e, -EINVAL,
			       "A gateway's name has 1 to 63 of a-z, 0-9, '.', '_' and '-', and "
			       "begins with a letter or digit.");
	if (json_array_size(certs) > CERTIFICATES_MAX)
		return err_set(e, -EINVAL, "\"certificates\" is a list of at most %d.",
			       CERTIFICATES_MAX);
	json_array_foreach(certs, i, c)
	{
		r = check_certificate(c, e);
		if (r)
			return r;
	}
	return 0;
}

enum req_step api_gateway_put(struct broker *b, struct db *db, struct req *r)
{
	struct err e = {0};

	(void)b;
	if (check_gateway(r->json, &e))
		return req_fail_err(r, &e);
	return api_text(
		r, db, 200,
		db_text(db, "SELECT pane.gateway_put($1)", (const char *)buf_head(&r->body)),
		"not.found", "gateway");
}

enum req_step api_gateway_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_gateways($1, $2)");
}

enum req_step api_gateway_forget(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.gateway_forget($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

/* ---- what is under way ---- */

enum req_step api_task_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.list_tasks()", 0, NULL), "not.found",
			"list");
}

/* ---- what the site looks like ---- */

enum req_step api_branding_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.get_branding()", 0, NULL),
			"not.found", "branding");
}

enum req_step api_branding_update(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};

	(void)b;
	if (branding_check(r->json, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "branding");
	text = json_dumps(r->json, JSON_COMPACT);
	if (!text)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	return api_text(r, db, 200, db_text(db, "SELECT pane.branding_set($1)", text), "not.found",
			"branding");
}

enum req_step api_logo_get(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = db_text_n(db, "SELECT pane.get_logo()", 0, NULL);
	cleanup_json json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	const char *etag = json_string_value(json_object_get(o, "etag"));
	const char *png = json_string_value(json_object_get(o, "png"));
	cleanup_free uint8_t *bytes = NULL;
	size_t n = png ? strlen(png) : 0;
	int got;

	(void)b;
	if (!text && db->fail.status)
		return req_fail_db(r, db);
	if (!etag || !png)
		return req_fail(r, 404, "logo.none", "This site has no logo of its own.");
	snprintf(r->etag, sizeof(r->etag), "\"%.32s\"", etag);
	if (!strcmp(r->if_none_match, r->etag)) {
		req_reply(r, 304, NULL);
		return REQ_DONE;
	}
	bytes = malloc(n / 4 * 3 + 4);
	got = bytes ? EVP_DecodeBlock(bytes, (const uint8_t *)png, (int)n) : -1;
	if (got < 4)
		return req_fail(r, 500, "broker.internal", "The logo cannot be read.");
	got -= (png[n - 1] == '=') + (png[n - 2] == '=');
	req_reply(r, 200, (char *)steal_ptr(&bytes));
	r->reply_bytes = (size_t)got;
	r->content_type = "image/png";
	return REQ_DONE;
}
