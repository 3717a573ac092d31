/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See announce.h. One request a connection on internal.sock, never two at a time; a broker that is
 * away is asked again a few seconds later, for as long as it takes.
 */
#include "gateway/announce.h"
#include "common/json.h"
#include "gateway/keeper.h"
#include "gateway/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PANE_VERSION
#define PANE_VERSION "0"
#endif

#define LATE_MS	   10000 /* for an answer */
#define RETRY_MS   5000
#define AGAIN_MS   60000 /* where the broker says nothing else */
#define ANSWER_MAX 4096
#define NAMES_MAX  20
#define NAME_MAX_B 253
#define TEXT_MAX   400 /* bytes of a subject or issuer */

struct gw_announce {
	struct gw_worker *w;	  /* borrowed */
	struct gw_stream broker;  /* owned; unused between questions */
	struct loop_timer *timer; /* owned: the next question, or the end of this one's time */
	bool soon;		  /* something changed while a question was under way */
	bool failing;		  /* said in the log */
};

/* ---- a certificate ---- */

static json_t *name_text(const X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	json_t *text = NULL;
	char *p;
	long n;

	if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_get_mem_data(b, &p);
		text = json_stringn(p, n > TEXT_MAX ? TEXT_MAX : (size_t)n);
	}
	BIO_free(b);
	return text ? text : json_string("?"); /* cut within a letter, or no text at all */
}

static int add_name(json_t *list, const GENERAL_NAME *g)
{
	char ip[INET6_ADDRSTRLEN];
	const unsigned char *p;
	int n;

	if (g->type == GEN_DNS || g->type == GEN_IPADD) {
		p = ASN1_STRING_get0_data(g->type == GEN_DNS ? g->d.dNSName : g->d.iPAddress);
		n = ASN1_STRING_length(g->type == GEN_DNS ? g->d.dNSName : g->d.iPAddress);
		if (g->type == GEN_DNS && n > 0 && n <= NAME_MAX_B)
			return json_array_append_new(list,
						     json_stringn((const char *)p, (size_t)n));
		if (g->type == GEN_IPADD && (n == 4 || n == 16) &&
		    inet_ntop(n == 4 ? AF_INET : AF_INET6, p, ip, sizeof(ip)))
			return json_array_append_new(list, json_string(ip));
	}
	return 0;
}

/* The names a client may know it by; without any, what its subject is commonly called. */
static json_t *names_of(X509 *x)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	json_t *list = json_array();
	char cn[NAME_MAX_B + 1];

	for (int i = 0; list && i < sk_GENERAL_NAME_num(all) && i < NAMES_MAX; i++)
		if (add_name(list, sk_GENERAL_NAME_value(all, i)))
			break; /* not text: the rest is not told */
	GENERAL_NAMES_free(all);
	if (list && !json_array_size(list) &&
	    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn)) > 0)
		(void)json_array_append_new(list, json_string(cn));
	return list;
}

static json_t *time_text(const ASN1_TIME *t)
{
	char text[32] = "";
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || tm.tm_year > 8099 ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return json_string(text);
}

static json_t *key_text(X509 *x)
{
	static const char *const curves[][2] = {
		{"prime256v1", "P-256"}, {"secp384r1", "P-384"}, {"secp521r1", "P-521"}};
	EVP_PKEY *key = X509_get0_pubkey(x);
	char group[40] = "", text[64];
	const char *curve = group;

	if (!key)
		return json_string("unknown");
	if (!EVP_PKEY_is_a(key, "EC")) {
		const char *type = EVP_PKEY_get0_type_name(key);

		snprintf(text, sizeof(text), "%.30s %d", type ? type : "unknown",
			 EVP_PKEY_get_bits(key));
		return json_string(text);
	}
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		curve = "?";
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (!strcmp(group, curves[i][0]))
			curve = curves[i][1];
	snprintf(text, sizeof(text), "ECDSA %s", curve);
	return json_string(text);
}

static json_t *fingerprint(X509 *x)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), sum, &n) != 1)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", sum[i]);
	return json_string(text);
}

json_t *gw_announce_certificate(const char *pem)
{
	X509 *x = tls_first_certificate(pem);
	json_t *o = x ? json_object() : NULL;
	int r = o ? 0 : -1;

	if (!r)
		r = json_object_set_new(o, "names", names_of(x));
	if (!r)
		r = json_object_set_new(o, "subject", name_text(X509_get_subject_name(x)));
	if (!r)
		r = json_object_set_new(o, "issuer", name_text(X509_get_issuer_name(x)));
	if (!r)
		r = json_object_set_new(o, "not_before", time_text(X509_get0_notBefore(x)));
	if (!r)
		r = json_object_set_new(o, "not_after", time_text(X509_get0_notAfter(x)));
	if (!r)
		r = json_object_set_new(o, "key", key_text(x));
	if (!r)
		r = json_object_set_new(o, "fingerprint", fingerprint(x));
	X509_free(x);
	ERR_clear_error();
	if (r) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* ---- what is told ---- */

void gw_announce_name(const char *from, char name[64])
{
	size_t n = 0;

	for (; *from && n < 63; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from + 32) : *from;
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain || n) /* begins with a letter or digit */
			name[n++] = plain || c == '.' || c == '_' ? c : '-';
	}
	name[n] = '\0';
	if (!n)
		memcpy(name, "gateway", sizeof("gateway"));
}

static int add_certificate(json_t *list, struct gw_worker *w, int file, const char *use,
			   const char *path)
{
	cleanup_free char *pem = NULL;
	struct err e = {0};
	json_t *o = gw_keeper_file(w->keeper, (enum gw_keeper_file)file, &pem, &e)
			    ? NULL
			    : gw_announce_certificate(pem);
	int r = o ? 0 : -EINVAL;

	if (!r)
		r = json_object_set_new(o, "use", json_string(use));
	if (!r)
		r = json_object_set_new(o, "file", json_string(path));
	if (r) {
		json_decref(o);
		return -EINVAL;
	}
	return json_array_append_new(list, o);
}

static json_t *certificates(struct gw_worker *w)
{
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (int i = 0; !r && w->conf->cert[i]; i++)
		r = add_certificate(list, w, GW_FRONT_CERT + i, "clients", w->conf->cert[i]);
	if (!r)
		r = add_certificate(list, w, GW_HOST_CERT, "hosts", w->conf->host_cert);
	if (!r)
		r = add_certificate(list, w, GW_CA, "ca", w->conf->ca);
	if (r) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *listening(const struct gw_worker *w)
{
	json_t *list = json_array();
	char text[300];

	for (unsigned i = 0; list && i < w->n_listeners; i++) {
		snprintf(text, sizeof(text), "%s %.280s", gw_proto_name(w->listeners[i].proto),
			 w->listeners[i].addr);
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

static int send_question(struct gw_announce *a)
{
	struct gw_worker *w = a->w;
	json_t *certs = certificates(w);
	cleanup_free char *body = NULL;
	cleanup_json json_t *o = NULL;
	char host[256] = "", name[64];
	struct buf b;
	int r;

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	gw_announce_name(w->conf->name ? w->conf->name : host, name);
	o = certs ? json_pack("{s:s, s:s, s:o, s:o}", "name", name, "version", PANE_VERSION,
			      "listen", listening(w), "certificates", certs)
		  : NULL;
	body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!body)
		return -ENOMEM;
	buf_init(&b, 0);
	r = buf_printf(&b,
		       "POST /internal/v1/gateways HTTP/1.1\r\nHost: broker\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n"
		       "Connection: close\r\n\r\n%s",
		       strlen(body), body);
	if (!r)
		r = gw_stream_send(&a->broker, buf_head(&b), b.len);
	buf_fini(&b);
	return r;
}

/* ---- asking ---- */

static void over(struct gw_announce *a, int next_ms, const char *why)
{
	gw_stream_fini(&a->broker);
	if (why && !a->failing)
		log_warn("announce.failed", "why=%s", LOG_Q(why));
	if (!why && a->failing)
		log_info("announce", "result=ok");
	a->failing = why;
	loop_timer_set(a->timer, a->soon ? 0 : next_ms);
	a->soon = false;
}

/* 0 when taken, -EAGAIN while incomplete, else what the broker said. */
static int judge(const struct gw_stream *s, int *again_ms)
{
	const char *text = (const char *)buf_head(&s->in);
	const char *body = s->in.len ? memmem(text, s->in.len, "\r\n\r\n", 4) : NULL;
	cleanup_json json_t *o = NULL;
	int64_t again_s = AGAIN_MS / 1000;

	if (!s->eof && !s->error && !gw_stream_full(s))
		return -EAGAIN; /* Connection: close */
	if (!body || s->in.len < 12 || memcmp(text + 9, "200", 3) != 0)
		return -EPROTO;
	body += 4;
	o = json_parse(body, s->in.len - (size_t)(body - text), NULL);
	if (!o || json_opt_int(o, "again_s", 1, 86400, &again_s, NULL))
		return -EPROTO;
	*again_ms = (int)again_s * 1000;
	return 0;
}

static void on_step(void *arg)
{
	struct gw_announce *a = arg;
	int again_ms = AGAIN_MS, r = judge(&a->broker, &again_ms);

	if (r == -EAGAIN)
		return;
	over(a, r ? RETRY_MS : again_ms,
	     !r			? NULL
	     : a->broker.in.len ? "the broker does not take it"
				: "the broker does not answer");
}

static void on_timer(void *arg)
{
	struct gw_announce *a = arg;
	struct err e = {0};

	if (gw_stream_used(&a->broker)) {
		over(a, RETRY_MS, "the broker does not answer in time");
		return;
	}
	if (gw_stream_connect(&a->broker, a->w->loop, a->w->conf->broker_internal, ANSWER_MAX,
			      on_step, a, &e)) {
		over(a, RETRY_MS, e.msg);
		return;
	}
	if (send_question(a)) {
		over(a, RETRY_MS, "the certificates cannot be told");
		return;
	}
	loop_timer_set(a->timer, LATE_MS);
}

struct gw_announce *gw_announce_start(struct gw_worker *w)
{
	struct gw_announce *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->w = w;
	gw_stream_none(&a->broker);
	a->timer = loop_timer_add(w->loop, 0, on_timer, a);
	if (!a->timer) {
		free(a);
		return NULL;
	}
	return a;
}

void gw_announce_soon(struct gw_announce *a)
{
	if (!a)
		return;
	a->soon = gw_stream_used(&a->broker);
	if (!a->soon)
		loop_timer_set(a->timer, 0);
}

void gw_announce_free(struct gw_announce *a)
{
	if (!a)
		return;
	gw_stream_fini(&a->broker);
	loop_timer_del(a->timer);
	free(a);
}
