/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host link; see host_link.h. A small state machine driven by gw_host_link_poll().
 */
#include "gateway/host_link.h"
#include "common/json.h"
#include "common/preface.h"

#include <errno.h>
#include <string.h>

/* Room for the answer and for what the display sends before the relay takes over. */
#define HOST_IN_CAP (64 * 1024)

void gw_host_link_none(struct gw_host_link *h)
{
	*h = (struct gw_host_link){0};
	gw_stream_none(&h->s);
}

void gw_host_link_fini(struct gw_host_link *h)
{
	gw_stream_fini(&h->s);
	SSL_CTX_free(h->tls);
	json_decref(h->preface);
	gw_host_link_none(h);
}

int gw_host_link_start(struct gw_host_link *h, struct loop *l, SSL_CTX *tls, const char *address,
		       const char *host, json_t *preface, gw_step_fn step, void *arg, struct err *e)
{
	int r;

	if (strlen(host) >= sizeof(h->host))
		return err_set(e, -EPROTO, "the broker named a host with an overlong id");
	r = gw_stream_connect(&h->s, l, address, HOST_IN_CAP, step, arg, e);
	if (r)
		return r;
	memcpy(h->host, host, strlen(host) + 1);
	SSL_CTX_up_ref(tls);
	h->tls = tls;
	h->preface = json_incref(preface);
	h->state = HOST_CONNECTING;
	return 0;
}

/* The certificate chains to the CA (OpenSSL saw to that); here: is it the host we were sent to? */
static int check_peer(struct gw_host_link *h, struct err *e)
{
	char cn[64], ou[64];

	if (tlsconn_peer(&h->s.c, cn, ou))
		return err_setw(e, -EPROTO, "host.cert", "the host shows no certificate");
	if (strcmp(ou, "host") != 0 || strcmp(cn, h->host) != 0)
		return err_setw(e, -EPROTO, "host.cert",
				"the host shows the certificate %s/%s, not host/%s", ou, cn,
				h->host);
	return 0;
}

static int send_preface(struct gw_host_link *h)
{
	struct buf b;
	int r;

	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	r = preface_append(&b, h->preface);
	if (!r)
		r = gw_stream_send(&h->s, buf_head(&b), b.len);
	buf_fini(&b);
	json_decref(h->preface);
	h->preface = NULL;
	return r;
}

static int take_answer(struct gw_host_link *h, struct gw_refusal *r, struct err *e)
{
	cleanup_json json_t *o = NULL;
	const char *code = "host.refused", *message = "The host refused this connection.";
	bool ok = false;
	int n = preface_take(buf_head(&h->s.in), h->s.in.len, &o, e);

	if (n < 0)
		return n;
	if (n == 0)
		return h->s.eof ? err_set(e, -ECONNRESET, "the host hung up without an answer")
				: -EAGAIN;
	buf_consume(&h->s.in, (size_t)n);
	if (json_opt_bool(o, "ok", &ok, e) || json_opt_str(o, "code", 47, &code, e) ||
	    json_opt_str(o, "message", 319, &message, e))
		return -EPROTO;
	if (ok)
		return 0;
	*r = (struct gw_refusal){0};
	memcpy(r->code, code, strlen(code) + 1);
	memcpy(r->message, message, strlen(message) + 1);
	return -EACCES;
}

int gw_host_link_poll(struct gw_host_link *h, struct gw_refusal *r, struct err *e)
{
	int res = 0;

	if (h->s.error && !(h->state == HOST_ANSWER && h->s.in.len)) {
		*e = h->s.err;
		return h->s.error;
	}
	if (h->state == HOST_CONNECTING && gw_stream_ready(&h->s)) {
		res = gw_stream_tls(&h->s, h->tls, TLS_CLIENT, e);
		h->state = HOST_TLS;
	}
	if (!res && h->state == HOST_TLS && gw_stream_ready(&h->s)) {
		res = check_peer(h, e);
		if (!res)
			res = send_preface(h);
		h->state = HOST_ANSWER;
	}
	if (!res && h->state == HOST_ANSWER) {
		res = take_answer(h, r, e);
		if (!res)
			h->state = HOST_READY;
	}
	if (res)
		return res;
	return h->state == HOST_READY ? 0 : -EAGAIN;
}
