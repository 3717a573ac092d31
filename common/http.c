/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON over HTTPS by libcurl; see http.h. One handle a client, so the connection is kept alive
 * where the server allows it. It is driven by a multi handle of its own because that can be woken
 * from another thread: http_cancel() ends a waiting call at once, not at the next tick of libcurl.
 */
#include "common/http.h"
#include "common/buf.h"
#include "common/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct http_client {
	CURL *curl;		       /* owned */
	CURLM *multi;		       /* owned; drives curl */
	char *base;		       /* owned */
	char *token;		       /* owned; NULL = none */
	struct curl_slist *connect_to; /* owned */
	long timeout_ms;
	atomic_bool cancelled;
	char error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct http_client *h = arg;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&h->cancelled);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	return buf_append(arg, p, size * n) ? 0 : size * n;
}

/* A certificate that names "gateway" while the connection goes to 10.0.2.2:8443: keep the URL's
 * port, put the name into the URL and connect to the address all the same. */
static int set_verify_name(struct http_client *c, const struct http_params *p)
{
	const char *host = strstr(p->base, "://"), *port;
	char to[512], base[512];

	host = host ? host + 3 : p->base;
	port = strrchr(host, ':');
	port = port ? port + 1 : "443";
	if (snprintf(to, sizeof(to), "%s:%s:%.*s", p->verify_name, port, (int)strcspn(host, "/"),
		     host) >= (int)sizeof(to) ||
	    snprintf(base, sizeof(base), "https://%s:%s", p->verify_name, port) >=
		    (int)sizeof(base))
		return -ENAMETOOLONG;
	c->connect_to = curl_slist_append(NULL, to);
	free(c->base);
	c->base = strdup(base);
	if (!c->connect_to || !c->base)
		return -ENOMEM;
	curl_easy_setopt(c->curl, CURLOPT_CONNECT_TO, c->connect_to);
	return 0;
}

static void set_tls(struct http_client *c, const struct http_params *p)
{
	curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (p->ca)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, p->ca);
	if (p->cert) {
		curl_easy_setopt(c->curl, CURLOPT_SSLCERT, p->cert);
		curl_easy_setopt(c->curl, CURLOPT_SSLKEY, p->key);
	}
	if (p->unix_socket)
		curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, p->unix_socket);
}

struct http_client *http_new(const struct http_params *p, struct err *e)
{
	struct http_client *c;

	pthread_once(&curl_once, curl_start);
	c = calloc(1, sizeof(*c));
	if (c) {
		c->curl = curl_easy_init();
		c->multi = curl_multi_init();
		c->base = strdup(p->base);
	}
	if (!c || !c->curl || !c->multi || !c->base || (p->verify_name && set_verify_name(c, p))) {
		http_free(c);
		err_set(e, -ENOMEM, "cannot make an HTTP client for %s", p->base);
		return NULL;
	}
	set_tls(c, p);
	http_set_token(c, p->token);
	c->timeout_ms = p->timeout_ms ? p->timeout_ms : 30000L;
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, c->timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
	return c;
}

static void wipe_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void http_free(struct http_client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->connect_to);
	wipe_free(c->token);
	free(c->base);
	free(c);
}

void http_set_token(struct http_client *c, const char *token)
{
	wipe_free(c->token);
	c->token = token ? strdup(token) : NULL;
}

void http_cancel(struct http_client *c)
{
	atomic_store(&c->cancelled, true);
	curl_multi_wakeup(c->multi);
}

static int transport_error(struct http_client *c, CURLcode code, struct err *e)
{
	const char *text = c->error[0] ? c->error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		atomic_store(&c->cancelled, false);
		return err_setw(e, -ECANCELED, "cancelled", "cancelled");
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_setw(
			e, -ECONNREFUSED, "server.unreachable",
			"cannot reach %s: %s. Check the address, and that the gateway runs.",
			c->base, text);
	case CURLE_OPERATION_TIMEDOUT:
		return err_setw(e, -ETIMEDOUT, "server.timeout", "%s did not answer in time",
				c->base);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
		return err_setw(e, -EPROTO, "server.untrusted",
				"%s could not prove its identity: %s. Check the CA file.", c->base,
				text);
	default:
		return err_setw(e, -EIO, "server.transport", "%s: %s", c->base, text);
	}
}

/* {"error":{"code","message","id"}} of an answer outside 2xx. */
static int server_error(long status, json_t *body, struct err *e)
{
	const char *code = "server.error", *msg = NULL, *id = NULL;
	json_t *o = json_object_get(body, "error");

	if (o && json_unpack(o, "{s?s s?s s?s}", "code", &code, "message", &msg, "id", &id))
		msg = NULL;
	if (!msg)
		return err_setw(e, -EREMOTEIO, code, "the server answered %ld without a reason",
				status);
	if (id)
		return err_setw(e, -EREMOTEIO, code, "%s (id %s)", msg, id);
	return err_setw(e, -EREMOTEIO, code, "%s", msg);
}

/* Like curl_easy_perform(), until done or cancelled. */
static CURLcode run_transfer(struct http_client *c)
{
	CURLcode code = CURLE_OK;
	int running = 1, left;
	CURLMsg *m;

	if (curl_multi_add_handle(c->multi, c->curl) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (running) {
		if (atomic_load(&c->cancelled)) {
			code = CURLE_ABORTED_BY_CALLBACK;
			break;
		}
		if (curl_multi_perform(c->multi, &running) != CURLM_OK ||
		    (running && curl_multi_poll(c->multi, NULL, 0, 1000, NULL) != CURLM_OK)) {
			code = CURLE_OUT_OF_MEMORY;
			break;
		}
	}
	while ((m = curl_multi_info_read(c->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			code = m->data.result;
	curl_multi_remove_handle(c->multi, c->curl);
	return code;
}

static CURLcode perform(struct http_client *c, const char *method, const char *url,
			const char *type, const char *text, size_t n, struct buf *in)
{
	struct curl_slist *h;
	char auth[600];
	CURLcode code;

	if (snprintf(auth, sizeof(auth), "Content-Type: %s", type) >= (int)sizeof(auth))
		return CURLE_BAD_FUNCTION_ARGUMENT;
	h = curl_slist_append(NULL, auth);
	h = curl_slist_append(h, "Expect:");
	if (c->token &&
	    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", c->token) < (int)sizeof(auth))
		h = curl_slist_append(h, auth);
	c->error[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, in);
	if (text) {
		curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)n);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, text);
	} else {
		curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	}
	code = run_transfer(c);
	curl_slist_free_all(h);
	explicit_bzero(auth, sizeof(auth));
	return code;
}

static int take_answer(struct http_client *c, CURLcode code, const struct buf *in, json_t **reply,
		       struct err *e)
{
	long status = 0;
	int r;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		r = transport_error(c, code, e);
	} else {
		if (in->len)
			*reply = json_loadb((const char *)buf_head(in), in->len, 0, NULL);
		r = status >= 200 && status < 300 ? (int)status : server_error(status, *reply, e);
		if (r > 0 && in->len && !*reply)
			r = err_setw(e, -EPROTO, "server.garbled",
				     "%s answered something that is not JSON", c->base);
	}
	return r;
}

int http_call(struct http_client *c, const char *method, const char *path, json_t *body,
	      json_t **reply, struct err *e)
{
	cleanup_free char *text = NULL;
	struct buf in;
	char url[1200];
	CURLcode code;
	int r;

	*reply = NULL;
	if (snprintf(url, sizeof(url), "%s%s", c->base, path) >= (int)sizeof(url))
		return err_set(e, -ENAMETOOLONG, "the path %.60s… is too long", path);
	/* A POST without a body still says its length. */
	text = body ? json_dumps(body, JSON_COMPACT) : strcmp(method, "POST") ? NULL : strdup("");
	buf_init(&in, 16u << 20);
	code = perform(c, method, url, "application/json", text, text ? strlen(text) : 0, &in);
	if (text)
		explicit_bzero(text, strlen(text));
	r = take_answer(c, code, &in, reply, e);
	buf_fini(&in);
	return r;
}

int http_send(struct http_client *c, const char *method, const char *path, const void *p, size_t n,
	      json_t **reply, struct err *e)
{
	struct buf in;
	char url[1200];
	CURLcode code;
	int r;

	*reply = NULL;
	if (snprintf(url, sizeof(url), "%s%s", c->base, path) >= (int)sizeof(url))
		return err_set(e, -ENAMETOOLONG, "the path %.60s… is too long", path);
	buf_init(&in, 1u << 20);
	code = perform(c, method, url, "application/octet-stream", p, n, &in);
	r = take_answer(c, code, &in, reply, e);
	buf_fini(&in);
	return r;
}

/* ---- fetching ---- */

struct fetch {
	struct http_client *c; /* borrowed */
	http_sink_fn sink;
	void *arg;
	struct buf error; /* an answer that is not the range */
	int64_t left;
	int failed;
};

static size_t on_fetch(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(f->c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 206)
		return buf_append(&f->error, p, n) ? 0 : n;
	if ((int64_t)n > f->left)
		f->failed = -EPROTO;
	else
		f->failed = f->sink(f->arg, p, n);
	f->left -= (int64_t)n;
	return f->failed < 0 ? 0 : n;
}

static CURLcode fetch_run(struct http_client *c, const char *url, const char *range,
			  struct fetch *f)
{
	struct curl_slist *h = NULL;
	char auth[600];
	CURLcode code;

	if (c->token &&
	    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", c->token) < (int)sizeof(auth))
		h = curl_slist_append(h, auth);
	c->error[0] = '\0';
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, "GET");
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(c->curl, CURLOPT_RANGE, range);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_fetch);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, c->timeout_ms / 1000 + 1);
	code = run_transfer(c);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 0L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, c->timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_RANGE, NULL);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_slist_free_all(h);
	explicit_bzero(auth, sizeof(auth));
	return code;
}

int http_fetch(struct http_client *c, const char *path, int64_t from, int64_t to, http_sink_fn sink,
	       void *arg, struct err *e)
{
	struct fetch f = {.c = c, .sink = sink, .arg = arg, .left = to - from + 1};
	char url[1200], range[64];
	json_t *reply = NULL;
	CURLcode code;
	long status = 0;
	int r;

	if (snprintf(url, sizeof(url), "%s%s", c->base, path) >= (int)sizeof(url))
		return err_set(e, -ENAMETOOLONG, "the path %.60s… is too long", path);
	snprintf(range, sizeof(range), "%" PRId64 "-%" PRId64, from, to);
	buf_init(&f.error, 64 << 10);
	code = fetch_run(c, url, range, &f);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (f.failed < 0)
		r = err_set(e, f.failed, "%s: %s", path, strerror(-f.failed));
	else if (code == CURLE_OK && status == 206)
		r = f.left ? err_set(e, -EPIPE, "%s: broke off", path) : 0;
	else if (code == CURLE_OK && status >= 200 && status < 300)
		r = err_set(e, -EPROTO, "%s: the server does not send parts of files", path);
	else if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR)
		r = err_set(e, -EPIPE, "%s: %s", path,
			    c->error[0] ? c->error : "the connection broke off");
	else
		r = take_answer(c, code, &f.error, &reply, e);
	json_decref(reply);
	buf_fini(&f.error);
	return r;
}
