/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RD Gateway; see tsgu.h. One per connection, in the worker's loop. Theory of operation
 * ([MS-TSGU] 3.3.5.1):
 *
 *   HTTP       RDG_OUT_DATA with Upgrade: websocket; 401 until it carries a claim (claim.h)
 *   HANDSHAKE, TUNNEL, AUTH, CHANNEL   messages answered one by one, <= 4 kB each
 *   OPEN       data both ways between the client and one end of a socket pair, whose other end is a
 *              connection to our own RDP login, with a deadline of its own
 *
 * The computer a client names is not looked at, so nobody gets anywhere but to that login. From
 * accept to OPEN one deadline runs (the front's). Each side is read only while the other has room.
 * What is inside is TLS again: the claim is checked where that ends.
 */
#include "gateway/tsgu.h"
#include "gateway/claim.h"
#include "gateway/login.h"
#include "gateway/tsgu_pdu.h"
#include "gateway/utf16.h"
#include "gateway/ws_frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH	       "/remoteDesktopGateway/"
#define QUEUE_MAX      (64 * 1024) /* of either side; the streams hold half as much again */
#define FRAME_MAX      (16 * 1024) /* one TLS record */
#define INNER_BYTES    (64 * 1024) /* in the socket pair: what waits there is old when it leaves */
#define REFUSALS_MAX   4	   /* 401s of a connection */
#define KEEPALIVE_MS   30000
#define CLIENT_DEAD_MS 15000
#define TICKET_TEXT    64

enum tsgu_state {
	TS_HTTP,
	TS_HANDSHAKE,
	TS_TUNNEL,
	TS_AUTH,
	TS_CHANNEL,
	TS_OPEN
};

static const char *const state_names[] = {"http", "handshake", "tunnel", "auth", "channel", "open"};

struct tsgu {
	struct gw_conn *conn;	     /* borrowed: the front's */
	struct gw_stream *client;    /* borrowed: the front's */
	struct loop_timer *deadline; /* borrowed: the front's */
	struct loop_timer *silence;  /* owned: since we said anything */
	bool spoke;
	gw_step_fn step;
	void *arg; /* borrowed: the front */
	enum tsgu_state state;
	unsigned refusals;
	bool challenged;
	uint8_t challenge[NTLM_CHALLENGE_LEN];
	struct gw_claim *claim; /* owned until the login inside has it */
	struct ws_reader frames;
	struct tsgu_reader messages;
	struct gw_stream inner; /* our end of the way to the RDP login */
	uint64_t in, out;
	int64_t since_ms;
};

/* ---- the request ---- */

bool tsgu_is_request(const struct http_head *h)
{
	return h->target_len == sizeof(PATH) - 1 && !strncasecmp(h->target, PATH, h->target_len) &&
	       h->method_len > 4 && !memcmp(h->method, "RDG_", 4);
}

bool tsgu_is_upgrade(const char *text, const struct http_head *h)
{
	static const char method[] = "RDG_OUT_DATA"; /* 2.2.3.1.2 */

	return h->method_len == sizeof(method) - 1 && !memcmp(h->method, method, h->method_len) &&
	       http_head_has_word(text, h, "upgrade", "websocket");
}

static bool has_body(const char *text, const struct http_head *h)
{
	size_t n;
	const char *length = http_head_field(text, h, "content-length", &n);

	return (length && (n != 1 || *length != '0')) ||
	       http_head_field(text, h, "transfer-encoding", &n);
}

/* 401 with what is understood, or with a challenge in the scheme the client chose. True when it has
 * asked often enough. */
static bool refuse(struct tsgu *t, const char *scheme, const struct buf *challenge)
{
	char head[1024] = "WWW-Authenticate: NTLM\r\n"
			  "WWW-Authenticate: Basic realm=\"Pane\", charset=\"UTF-8\"\r\n";
	char text[1200];
	int n;

	if (challenge) {
		char b64[512];

		if (challenge->len > 3 * sizeof(b64) / 4 - 4)
			return true;
		EVP_EncodeBlock((unsigned char *)b64, buf_head(challenge), (int)challenge->len);
		snprintf(head, sizeof(head), "WWW-Authenticate: %s %s\r\n", scheme, b64);
	}
	n = snprintf(text, sizeof(text), "HTTP/1.1 401 Unauthorized\r\n%sContent-Length: 0\r\n\r\n",
		     head);
	return gw_stream_send(t->client, text, (size_t)n) || ++t->refusals >= REFUSALS_MAX;
}

/* The client's first message gets a challenge, its second is the claim. */
static bool on_ntlm(struct tsgu *t, const char *scheme, const char *p, size_t n)
{
	uint8_t m[NTLM_MESSAGE_MAX];
	int len = gw_base64_decode(m, sizeof(m), p, n);
	unsigned type = len > 0 ? ntlm_type(m, (size_t)len) : 0;
	struct buf b;
	int r;
	bool over;

	if (type == NTLM_AUTHENTICATE && t->challenged) {
		t->challenged = false;
		if (!gw_claim_ntlm(&t->claim, t->challenge, m, (size_t)len))
			return false;
	}
	if (type != NTLM_NEGOTIATE)
		return refuse(t, NULL, NULL);
	random_bytes(t->challenge, sizeof(t->challenge));
	buf_init(&b, 512);
	r = ntlm_write_challenge(&b, m, (size_t)len, t->challenge, time(NULL));
	t->challenged = !r;
	over = refuse(t, scheme, r ? NULL : &b);
	buf_fini(&b);
	return over;
}

/* Sets the claim, or answers 401. True when this connection is over. */
static bool authorize(struct tsgu *t, const char *text, const struct http_head *h)
{
	size_t n = 0, word;
	const char *p = http_head_field(text, h, "authorization", &n), *blank;

	blank = p ? memchr(p, ' ', n) : NULL;
	if (!blank)
		return refuse(t, NULL, NULL);
	word = (size_t)(blank - p);
	n -= word + 1;
	if (word == 5 && !strncasecmp(p, "Basic", 5) && !gw_claim_basic(&t->claim, blank + 1, n))
		return false;
	if (word == 6 && !strncasecmp(p, "Bearer", 6) && !gw_claim_ticket(&t->claim, blank + 1, n))
		return false;
	if (word == 4 && !strncasecmp(p, "NTLM", 4))
		return on_ntlm(t, "NTLM", blank + 1, n);
	/* Clients that have nothing but NTLM say Negotiate and mean it. */
	if (word == 9 && !strncasecmp(p, "Negotiate", 9))
		return on_ntlm(t, "Negotiate", blank + 1, n);
	return refuse(t, NULL, NULL);
}

static bool upgrade(struct tsgu *t, const char *text, const struct http_head *h)
{
	size_t n = 0;
	const char *key = http_head_field(text, h, "sec-websocket-key", &n);
	char accept[WS_ACCEPT_LEN + 1], head[256];
	int len;

	if (!key || ws_accept(key, n, accept)) {
		gw_conn_log_drop(t->conn, "protocol", "http: no WebSocket key");
		return true;
	}
	len = snprintf(head, sizeof(head),
		       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
		       "Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		       accept);
	t->state = TS_HANDSHAKE;
	return gw_stream_send(t->client, head, (size_t)len) != 0;
}

/* A ticket as "gateway access token" comes in the tunnel, and HTTP asks for nothing (2.2.3.2.4). */
static bool brings_cookie(const char *text, const struct http_head *h)
{
	size_t n = 0;
	const char *scheme = http_head_field(text, h, "rdg-auth-scheme", &n);

	return scheme && n == 3 && !strncasecmp(scheme, "PAA", 3);
}

/* The next request, if it is there. True when this connection is over. */
static bool step_http(struct tsgu *t)
{
	char *text = (char *)buf_head(&t->client->in);
	struct http_head h;
	int r = http_head_parse(text, t->client->in.len, &h);
	bool over;

	if (r == -EAGAIN)
		return false;
	if (r || !tsgu_is_request(&h) || !tsgu_is_upgrade(text, &h) || has_body(text, &h)) {
		gw_conn_log_drop(t->conn, "protocol", "http: not a request for a tunnel");
		return true;
	}
	over = !brings_cookie(text, &h) && authorize(t, text, &h);
	if (!over && (t->claim || brings_cookie(text, &h)))
		over = upgrade(t, text, &h);
	explicit_bzero(text, h.bytes); /* a password was in there */
	buf_consume(&t->client->in, h.bytes);
	gw_stream_pull(t->client);
	return over;
}

/* ---- frames to the client ---- */

static int send_frame(struct tsgu *t, enum ws_kind kind, const void *p, size_t n)
{
	uint8_t frame[WS_HEAD_MAX + WS_CONTROL_MAX];
	size_t head = ws_head(frame, kind, n);

	memcpy(frame + head, p, n);
	t->spoke = true;
	return gw_stream_send(t->client, frame, head + n);
}

static bool answer(struct tsgu *t, const uint8_t *p, size_t n)
{
	return send_frame(t, WS_DATA, p, n) != 0;
}

static bool say_close(struct tsgu *t, unsigned code)
{
	uint8_t body[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	if (send_frame(t, WS_CLOSE, body, sizeof(body)))
		gw_conn_log_drop(t->conn, "closed", "the client does not read");
	return true;
}

static bool garbage(struct tsgu *t, int r)
{
	char at[64];

	snprintf(at, sizeof(at), "tunnel: %s: %s", state_names[t->state], strerror(-r));
	gw_conn_log_drop(t->conn, r == -EMSGSIZE ? "oversize" : "protocol", at);
	return say_close(t, WS_CLOSE_PROTO);
}

/* ---- setting the tunnel up ---- */

static bool on_handshake(struct tsgu *t, const struct tsgu_piece *m)
{
	uint8_t out[TSGU_ANSWER_MAX];
	struct tsgu_handshake h;
	int r = tsgu_parse_handshake(m->p, m->n, &h);
	bool known;

	if (r)
		return garbage(t, r);
	/* Smart cards and NTLM inside the tunnel are for others. */
	known = t->claim || h.extended_auth == TSGU_AUTH_PAA;
	t->state = TS_TUNNEL;
	if (answer(t, out,
		   tsgu_write_handshake(out, known ? TSGU_OK : TSGU_ERR_AUTH_METHOD,
					t->claim ? TSGU_AUTH_NONE : TSGU_AUTH_PAA)))
		return true;
	return known ? false : say_close(t, WS_CLOSE_NORMAL);
}

static int claim_cookie(struct tsgu *t, const struct tsgu_tunnel *q)
{
	char text[TICKET_TEXT];
	size_t n = q->cookie ? utf16_length(q->cookie, q->n_cookie & ~(size_t)1) : 0;
	long len = utf16_to_utf8(text, sizeof(text), q->cookie, n);
	int r = len > 0 ? gw_claim_ticket(&t->claim, text, (size_t)len) : -EPROTO;

	explicit_bzero(text, sizeof(text));
	return r;
}

static bool on_tunnel(struct tsgu *t, const struct tsgu_piece *m)
{
	uint8_t out[TSGU_ANSWER_MAX];
	struct tsgu_tunnel q;
	int r = tsgu_parse_tunnel(m->p, m->n, &q);

	if (r)
		return garbage(t, r);
	if (!t->claim && claim_cookie(t, &q)) {
		log_info("login.refused",
			 "conn=%s proto=rdp client=%s via=tunnel code=login.failed "
			 "detail=\"the access token is not a ticket\"",
			 t->conn->id, t->conn->peer);
		gw_conn_blame_login(t->conn, "login.failed");
		return answer(t, out, tsgu_write_tunnel(out, TSGU_ERR_COOKIE)) ||
		       say_close(t, WS_CLOSE_NORMAL);
	}
	t->state = TS_AUTH;
	return answer(t, out, tsgu_write_tunnel(out, TSGU_OK));
}

static bool on_tunnel_auth(struct tsgu *t, const struct tsgu_piece *m)
{
	uint8_t out[TSGU_ANSWER_MAX];
	int r = tsgu_parse_tunnel_auth(m->p, m->n);

	if (r)
		return garbage(t, r);
	t->state = TS_CHANNEL;
	return answer(t, out, tsgu_write_tunnel_auth(out));
}

/* The socket pair and the login at its other end. */
static int open_inner(struct tsgu *t)
{
	const int bytes = INNER_BYTES;
	struct gw_conn *c;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		return -errno;
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	c = gw_conn_inner(t->conn, t->claim);
	if (!c ||
	    gw_stream_init(&t->inner, t->conn->w->loop, pair[0], QUEUE_MAX, t->step, t->arg)) {
		if (c) {
			c->claim = NULL;
			gw_conn_free(c);
		}
		close(pair[0]);
		close(pair[1]);
		return -ENOMEM;
	}
	t->claim = NULL;
	rdp_login_start(c, pair[1]);
	return 0;
}

static bool on_channel(struct tsgu *t, const struct tsgu_piece *m)
{
	uint8_t out[TSGU_ANSWER_MAX];
	struct tsgu_channel q;
	char name[256];
	const char *kind = gw_claim_kind(t->claim);
	int r = tsgu_parse_channel(m->p, m->n, &q);

	if (r)
		return garbage(t, r);
	utf16_to_utf8(name, sizeof(name), q.name, utf16_length(q.name, q.n_name & ~(size_t)1));
	r = open_inner(t);
	if (r)
		log_err("tunnel.start", "conn=%s error=%s", t->conn->id, strerror(-r));
	if (answer(t, out, tsgu_write_channel(out, r ? TSGU_ERR_INTERNAL : TSGU_OK)) || r)
		return say_close(t, WS_CLOSE_FAILED);
	t->state = TS_OPEN;
	t->since_ms = clock_ms();
	loop_timer_set(t->deadline, -1);
	loop_timer_set(t->silence, KEEPALIVE_MS);
	sock_keepalive(t->client->c.fd, CLIENT_DEAD_MS);
	log_info("tunnel.start", "conn=%s client=%s claim=%s named=%s", t->conn->id, t->conn->peer,
		 kind, LOG_Q(name));
	return false;
}

static bool on_close(struct tsgu *t, const struct tsgu_piece *m)
{
	uint8_t out[TSGU_ANSWER_MAX];
	int r = tsgu_parse_close(m->p, m->n);

	if (r)
		return garbage(t, r);
	if (m->type == TSGU_CLOSE && answer(t, out, tsgu_write_close(out, TSGU_CLOSE_RESPONSE)))
		return true;
	return say_close(t, WS_CLOSE_NORMAL);
}

/* Messages come in one order only; those two may come at any time. True when it is over. */
static bool on_message(struct tsgu *t, const struct tsgu_piece *m)
{
	static bool (*const steps[])(struct tsgu * t,
				     const struct tsgu_piece *m) = {[TS_HANDSHAKE] = on_handshake,
								    [TS_TUNNEL] = on_tunnel,
								    [TS_AUTH] = on_tunnel_auth,
								    [TS_CHANNEL] = on_channel};
	static const enum tsgu_type types[] = {[TS_HANDSHAKE] = TSGU_HANDSHAKE,
					       [TS_TUNNEL] = TSGU_TUNNEL,
					       [TS_AUTH] = TSGU_TUNNEL_AUTH,
					       [TS_CHANNEL] = TSGU_CHANNEL,
					       [TS_OPEN] = TSGU_DATA};

	if (m->type == TSGU_NONE)
		return false;
	if (m->type == TSGU_KEEPALIVE)
		return m->n ? garbage(t, -EPROTO) : false;
	if (m->type == TSGU_CLOSE || m->type == TSGU_CLOSE_RESPONSE)
		return on_close(t, m);
	if (m->type != types[t->state])
		return garbage(t, -EPROTO);
	if (t->state != TS_OPEN)
		return steps[t->state](t, m);
	t->in += m->n;
	return m->n && gw_stream_send(&t->inner, m->p, m->n) && say_close(t, WS_CLOSE_FAILED);
}

/* ---- the pump ---- */

static bool on_bytes(struct tsgu *t, const uint8_t *p, size_t n)
{
	struct tsgu_piece m;

	while (n) {
		int used = tsgu_read(&t->messages, p, n, &m);

		if (used < 0)
			return garbage(t, used);
		p += used;
		n -= (size_t)used;
		if (on_message(t, &m))
			return true;
	}
	return false;
}

static bool on_frame(struct tsgu *t, const struct ws_piece *piece)
{
	switch (piece->kind) {
	case WS_DATA:
		return on_bytes(t, piece->p, piece->n);
	case WS_PING:
		return send_frame(t, WS_PONG, piece->p, piece->n) != 0;
	case WS_CLOSE:
		return say_close(t, WS_CLOSE_NORMAL);
	case WS_PONG:
		break;
	}
	return false;
}

/* Client to login, as far as that has room. */
static bool pump_in(struct tsgu *t)
{
	while (t->client->in.len && t->inner.out.len < QUEUE_MAX &&
	       t->client->out.len < QUEUE_MAX) {
		struct ws_piece piece;
		int used = ws_read(&t->frames, buf_head(&t->client->in), t->client->in.len, &piece);

		if (used < 0)
			return garbage(t, used);
		if (!used)
			break;
		if (on_frame(t, &piece))
			return true;
		buf_consume(&t->client->in, (size_t)used);
		gw_stream_pull(t->client);
	}
	return t->client->eof || t->client->error;
}

/* Login to client, as far as that has room: a frame, a message and a TLS record at a time. */
static bool pump_out(struct tsgu *t)
{
	uint8_t frame[FRAME_MAX], out[TSGU_ANSWER_MAX];
	const size_t most = FRAME_MAX - WS_HEAD_MAX - TSGU_DATA_HEAD;

	while (t->inner.in.len && t->client->out.len < QUEUE_MAX) {
		size_t n = t->inner.in.len < most ? t->inner.in.len : most;
		size_t at = ws_head(frame, WS_DATA, TSGU_DATA_HEAD + n);

		at += tsgu_write_data_head(frame + at, n);
		memcpy(frame + at, buf_head(&t->inner.in), n);
		t->spoke = true;
		if (gw_stream_send(t->client, frame, at + n))
			return true;
		t->out += n;
		buf_consume(&t->inner.in, n);
		gw_stream_pull(&t->inner);
	}
	if (t->inner.in.len || (!t->inner.eof && !t->inner.error))
		return false;
	return answer(t, out, tsgu_write_close(out, TSGU_CLOSE)) || say_close(t, WS_CLOSE_NORMAL);
}

static void on_silence(void *arg)
{
	struct tsgu *t = arg;
	uint8_t out[TSGU_ANSWER_MAX];

	if (!t->spoke && answer(t, out, tsgu_write_keepalive(out)))
		log_debug("tunnel.keepalive", "conn=%s error=memory", t->conn->id);
	t->spoke = false;
	loop_timer_set(t->silence, KEEPALIVE_MS);
}

/* ---- life ---- */

bool tsgu_step(struct tsgu *t)
{
	if (t->client->error || (t->client->eof && !t->client->in.len)) {
		if (t->state != TS_OPEN)
			gw_conn_log_drop(t->conn, "closed", "tunnel: the client hung up");
		return true;
	}
	while (t->state == TS_HTTP) {
		size_t had = t->client->in.len;

		if (step_http(t))
			return true;
		if (t->client->in.len == had || !t->client->in.len)
			return false;
	}
	return pump_in(t) || (t->state == TS_OPEN && pump_out(t));
}

struct tsgu *tsgu_start(struct gw_conn *conn, struct gw_stream *client, struct loop_timer *deadline,
			gw_step_fn step, void *arg)
{
	struct tsgu *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct tsgu){
		.conn = conn, .client = client, .deadline = deadline, .step = step, .arg = arg};
	gw_stream_none(&t->inner);
	t->silence = loop_timer_add(conn->w->loop, -1, on_silence, t);
	if (!t->silence) {
		tsgu_free(t);
		return NULL;
	}
	return t;
}

void tsgu_free(struct tsgu *t)
{
	if (!t)
		return;
	if (t->state == TS_OPEN)
		log_info("tunnel.end", "conn=%s in=%llu out=%llu ms=%lld", t->conn->id,
			 (unsigned long long)t->in, (unsigned long long)t->out,
			 (long long)(clock_ms() - t->since_ms));
	loop_timer_del(t->silence);
	gw_claim_free(t->claim);
	tsgu_reader_fini(&t->messages);
	gw_stream_fini(&t->inner);
	free(t);
}
