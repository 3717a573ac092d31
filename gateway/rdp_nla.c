/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rdp_nla.h.
 */
#include "gateway/rdp_nla.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void rdp_nla_none(struct rdp_nla *n)
{
	*n = (struct rdp_nla){0};
	gw_stream_none(&n->broker);
}

void rdp_nla_fini(struct rdp_nla *n)
{
	gw_stream_fini(&n->broker);
	nla_free(n->core);
	rdp_nla_none(n);
}

int rdp_nla_start(struct rdp_nla *n, struct gw_conn *conn, struct gw_stream *client,
		  gw_step_fn step, void *arg)
{
	X509 *mine = SSL_get_certificate(client->c.ssl);
	ASN1_BIT_STRING *key = mine ? X509_get0_pubkey_bitstr(mine) : NULL;

	n->conn = conn;
	n->client = client;
	n->step = step;
	n->arg = arg;
	n->core = key ? nla_new(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key)) : NULL;
	return n->core ? 0 : -ENOMEM;
}

static int tell(const struct rdp_nla *n, struct buf *out)
{
	return out->len ? gw_stream_send(n->client, buf_head(out), out->len) : 0;
}

/* ---- the broker ---- */

static int ask(struct rdp_nla *n)
{
	uint8_t names[NTLMV2_NAMES_MAX];
	struct ntlmv2_answer a = nla_answer(n->core, names);
	struct gw_credentials who = {0};
	struct err e = {0};
	struct buf b;
	int r = gw_credentials_user(&who, nla_user(n->core));

	if (r)
		return -EACCES;
	buf_init(&b, 16384);
	r = gw_proof_build(&b, n->conn->id, n->conn->peer, who.user, &a);
	if (!r)
		r = gw_stream_connect(&n->broker, n->conn->w->loop,
				      n->conn->w->conf->broker_internal, GW_BROKER_ANSWER_MAX,
				      n->step, n->arg, &e);
	if (!r)
		r = gw_stream_send(&n->broker, buf_head(&b), b.len);
	buf_fini(&b);
	return r;
}

static int refuse(struct rdp_nla *n, enum nla_status status, struct buf *out,
		  struct gw_refusal *why)
{
	int r = nla_refuse(n->core, status, out);

	if (!why->code[0])
		snprintf(why->code, sizeof(why->code), "%s",
			 status == NLA_NO_SERVERS ? "broker.down" : "login.failed");
	return r ? r : -EACCES;
}

static int poll_broker(struct rdp_nla *n, struct buf *out, struct gw_refusal *why)
{
	uint8_t key[NTLMV2_KEY_LEN];
	struct err e = {0};
	int r;

	if (n->broker.connecting)
		return -EAGAIN;
	r = gw_proof_parse(buf_head(&n->broker.in), n->broker.in.len,
			   n->broker.eof || n->broker.error, key, why, &e);
	if (r == -EAGAIN)
		return r;
	gw_stream_fini(&n->broker);
	gw_stream_none(&n->broker);
	if (r == -EACCES)
		return refuse(n, NLA_LOGON_FAILURE, out, why);
	if (r) {
		snprintf(why->detail, sizeof(why->detail), "%.300s", e.msg);
		return refuse(n, NLA_NO_SERVERS, out, why);
	}
	r = nla_proved(n->core, key, out);
	explicit_bzero(key, sizeof(key));
	return r;
}

/* ---- the client ---- */

static int take_ticket(struct rdp_nla *n, struct gw_credentials *c, struct buf *out,
		       struct gw_refusal *why)
{
	const struct credssp_password *p = nla_password(n->core);

	if (!gw_is_ticket(p->password.bytes, p->password.len) ||
	    gw_credentials_user(c, nla_user(n->core)))
		return refuse(n, NLA_LOGON_FAILURE, out, why);
	c->ticket = p->password;
	return 0;
}

/* The next message, if it is there: an enum nla_next or negative errno. */
static int read_message(struct rdp_nla *n, struct buf *out)
{
	struct buf *in = &n->client->in;
	size_t len = 0;
	int r = der_frame(buf_head(in), in->len, DER_SEQUENCE, CREDSSP_MESSAGE_MAX, &len);

	if (r == -EAGAIN)
		return n->client->eof ? -EPIPE : -EAGAIN;
	if (!r)
		r = nla_take(n->core, buf_head(in), len, time(NULL), out);
	if (r >= 0)
		buf_consume(in, len);
	return r;
}

static int advance(struct rdp_nla *n, struct gw_credentials *c, struct buf *out,
		   struct gw_refusal *why)
{
	int r = NLA_MORE;

	if (gw_stream_used(&n->broker)) {
		if (n->client->eof)
			return -EPIPE;
		r = poll_broker(n, out, why);
	}
	while (r == NLA_MORE)
		r = read_message(n, out);
	if (r == NLA_DONE)
		return take_ticket(n, c, out, why);
	if (r == NLA_PROOF) {
		r = ask(n);
		if (r == -EACCES)
			return refuse(n, NLA_LOGON_FAILURE, out, why);
		return r ? refuse(n, NLA_NO_SERVERS, out, why) : -EAGAIN;
	}
	return r;
}

int rdp_nla_step(struct rdp_nla *n, struct gw_credentials *c, struct gw_refusal *why)
{
	struct buf out;
	int r, sent;

	*why = (struct gw_refusal){0};
	buf_init(&out, 2 * CREDSSP_MESSAGE_MAX);
	r = advance(n, c, &out, why);
	sent = tell(n, &out);
	buf_fini(&out);
	if (r == -EACCES && !why->code[0])
		snprintf(why->code, sizeof(why->code), "login.failed");
	return r == -EAGAIN && sent ? sent : r;
}
