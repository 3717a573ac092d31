/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See oidcnet.h.
 */
#include "broker/oidcnet.h"
#include "common/buf.h"
#include "common/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define ANSWER_MAX (512u << 10)

struct oidcnet {
	CURL *curl;		      /* owned */
	const struct oidc_conf *conf; /* borrowed */
	char error[CURL_ERROR_SIZE];
};

struct oidcnet *oidcnet_new(const struct oidc_conf *c, struct err *e)
{
	struct oidcnet *n = calloc(1, sizeof(*n));

	curl_global_init(CURL_GLOBAL_DEFAULT); /* one thread: see curl's threads(3) */
	if (n)
		n->curl = curl_easy_init();
	if (!n || !n->curl) {
		oidcnet_free(n);
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	n->conf = c;
	return n;
}

void oidcnet_free(struct oidcnet *n)
{
	if (n && n->curl)
		curl_easy_cleanup(n->curl);
	free(n);
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	return buf_append(arg, p, size * count) ? 0 : size * count;
}

static void prepare(struct oidcnet *n, const char *url, struct buf *body)
{
	CURL *c = n->curl;

	curl_easy_reset(c); /* connections stay */
	n->error[0] = 0;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (n->conf->ca_cert)
		curl_easy_setopt(c, CURLOPT_CAINFO, n->conf->ca_cert);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)n->conf->timeout_s);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, n->error);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
}

static int perform(struct oidcnet *n, const char *url, long *status, struct err *e)
{
	CURLcode code = curl_easy_perform(n->curl);

	if (code == CURLE_OK)
		code = curl_easy_getinfo(n->curl, CURLINFO_RESPONSE_CODE, status);
	if (code == CURLE_OK)
		return 0;
	return err_set(e, -EIO, "%.200s: %.150s", url,
		       n->error[0] ? n->error : curl_easy_strerror(code));
}

int oidcnet_ask(struct oidcnet *n, const char *url, const char *form, const char *user,
		const char *password, long *status, json_t **out, struct err *e)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
	struct buf body;
	int r;

	*out = NULL;
	*status = 0;
	buf_init(&body, ANSWER_MAX);
	prepare(n, url, &body);
	curl_easy_setopt(n->curl, CURLOPT_HTTPHEADER, headers);
	if (form)
		curl_easy_setopt(n->curl, CURLOPT_POSTFIELDS, form);
	if (user && password) {
		curl_easy_setopt(n->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(n->curl, CURLOPT_USERNAME, user);
		curl_easy_setopt(n->curl, CURLOPT_PASSWORD, password);
	}
	r = perform(n, url, status, e);
	if (!r)
		*out = json_parse(buf_head(&body), body.len, NULL);
	if (!r && *status != 200)
		r = err_set(e, -EPROTO, "%.200s answered %ld", url, *status);
	else if (!r && !json_is_object(*out))
		r = err_set(e, -EPROTO, "%.200s answered no JSON object", url);
	if (body.size)
		explicit_bzero(body.data, body.size);
	buf_fini(&body);
	curl_easy_reset(n->curl); /* nothing of a secret stays in it */
	curl_slist_free_all(headers);
	return r;
}

char *oidcnet_escape(struct oidcnet *n, const char *text)
{
	char *escaped = curl_easy_escape(n->curl, text, 0),
	     *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}
