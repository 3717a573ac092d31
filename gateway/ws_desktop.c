/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Desktops in a browser; see ws_desktop.h. After the upgrade the display is the browser's peer from
 * its first byte: it speaks RFB with security None, and who may see it was settled by the ticket.
 * Frames of the client are unwrapped into the host link, the display's bytes are wrapped into
 * frames. Each side is read only while the other has room. The ticket travels in a header because
 * that is neither in the address nor in any log; it is good once.
 */
#include "gateway/ws_desktop.h"
#include "gateway/route.h"
#include "gateway/stats.h"
#include "gateway/ws_frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROTOCOL       "pane.rfb"
#define QUEUE_MAX      (64 * 1024) /* of either side; the streams hold half as much again */
#define PIECE_MAX      (16 * 1024)
#define CLIENT_DEAD_MS 15000
#define HOST_DEAD_MS   9000

struct ws_desktop {
	struct gw_conn *conn;	  /* borrowed: the front's */
	struct gw_stream *client; /* borrowed: the front's */
	struct gw_credentials cred;
	struct gw_route route;
	struct ws_reader reader;
	bool routed; /* the desktop's bytes flow */
	uint64_t in, out;
	int64_t since_ms;
};

/* ---- the request ---- */

static bool is_text(const char *p, size_t n, const char *text)
{
	return n == strlen(text) && !strncasecmp(p, text, n);
}

bool ws_is_request(const char *text, const struct http_head *h)
{
	return h->target_len == 4 && !memcmp(h->target, "/rfb", 4) && h->method_len == 3 &&
	       !memcmp(h->method, "GET", 3) && http_head_has_word(text, h, "upgrade", "websocket");
}

/* A page of another site must not use a browser's connection, whatever it holds. */
static bool same_origin(const char *text, const struct http_head *h)
{
	size_t n_origin, n_host;
	const char *origin = http_head_field(text, h, "origin", &n_origin);
	const char *host = http_head_field(text, h, "host", &n_host);

	return origin && host && n_origin == n_host + 8 && !memcmp(origin, "https://", 8) &&
	       !strncasecmp(origin + 8, host, n_host);
}

static int read_ticket(const char *text, const struct http_head *h, struct secret *ticket)
{
	size_t n, w;
	const char *at = http_head_field(text, h, "sec-websocket-protocol", &n);
	const char *end = at ? at + n : NULL, *word;

	while (at && http_next_word(&at, end, &word, &w))
		if (gw_is_ticket(word, w))
			return secret_set(ticket, word, w);
	return -EINVAL;
}

int ws_request_parse(const char *text, const struct http_head *h, struct ws_request *q,
		     const char **why)
{
	size_t n = 0, v = 0;
	const char *key = http_head_field(text, h, "sec-websocket-key", &n);
	const char *version = http_head_field(text, h, "sec-websocket-version", &v);

	*q = (struct ws_request){0};
	*why = "This is not a WebSocket of version 13.";
	if (!http_head_has_word(text, h, "connection", "upgrade") || !version ||
	    !is_text(version, v, "13"))
		return -EPROTO;
	if (!key || ws_accept(key, n, q->accept))
		return -EPROTO;
	*why = "Only this console's own pages may connect.";
	if (!same_origin(text, h))
		return -EACCES;
	*why = "The subprotocols must be pane.rfb and a ticket.";
	if (!http_head_has_word(text, h, "sec-websocket-protocol", PROTOCOL))
		return -EPROTO;
	return read_ticket(text, h, &q->ticket);
}

/* ---- frames to the client ---- */

static int send_frame(struct ws_desktop *d, enum ws_kind kind, const void *p, size_t n)
{
	uint8_t head[WS_HEAD_MAX];
	int r = gw_stream_send(d->client, head, ws_head(head, kind, n));

	return r ? r : gw_stream_send(d->client, p, n);
}

/* The last frame: a code and a sentence (§5.5.1). */
static bool say_close(struct ws_desktop *d, unsigned code, const char *text)
{
	uint8_t body[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
	size_t n = strnlen(text, sizeof(body) - 2);

	memcpy(body + 2, text, n);
	if (send_frame(d, WS_CLOSE, body, n + 2))
		gw_conn_log_drop(d->conn, "closed", "the browser does not read");
	return true;
}

static bool refuse(struct ws_desktop *d, const struct gw_refusal *why)
{
	bool denied = !strcmp(why->code, "login.failed");
	const char *said =
		denied ? "The ticket is not valid any more; connect again." : why->message;
	const char *id = strstr(said, " (id ");
	char text[WS_CONTROL_MAX];

	log_info("login.refused",
		 "conn=%s proto=rfb client=%s via=browser code=%s message=%s detail=%s",
		 d->conn->id, d->conn->peer, why->code, LOG_Q(why->message), LOG_Q(why->detail));
	gw_conn_blame_login(d->conn, why->code);
	/* The sentence may be cut, its id never. */
	snprintf(text, sizeof(text), "%.*s (id %s)",
		 (int)strnlen(said, id && id - said < 95 ? (size_t)(id - said) : 95), said,
		 d->conn->id);
	return say_close(d, WS_CLOSE_DENIED, text);
}

static bool lost(struct ws_desktop *d, const char *what)
{
	char text[WS_CONTROL_MAX];

	snprintf(text, sizeof(text), "%s (id %s)", what, d->conn->id);
	return say_close(d, WS_CLOSE_FAILED, text);
}

/* ---- life ---- */

struct ws_desktop *ws_desktop_start(struct gw_conn *conn, struct gw_stream *client,
				    struct ws_request *q, gw_step_fn step, void *arg)
{
	struct ws_desktop *d = calloc(1, sizeof(*d));
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
			 "Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " PROTOCOL
			 "\r\n\r\n",
			 q->accept);
	int r;

	if (!d) {
		secret_wipe(&q->ticket);
		return NULL;
	}
	d->conn = conn;
	d->client = client;
	d->cred.ticket = q->ticket;
	secret_wipe(&q->ticket);
	gw_route_none(&d->route);
	conn->proto = GW_RFB; /* what it is from here on, also to the broker and the host */
	r = gw_stream_send(client, head, (size_t)n);
	if (!r)
		r = gw_route_start(&d->route, conn, &d->cred, NULL, step, arg);
	secret_wipe(&d->cred.ticket);
	if (r) {
		ws_desktop_free(d);
		return NULL;
	}
	return d;
}

void ws_desktop_free(struct ws_desktop *d)
{
	if (d && d->routed) {
		gw_stats_session(d->conn->proto, false);
		log_info("session.end",
			 "conn=%s proto=rfb user=%s desktop=%s via=browser in=%llu out=%llu "
			 "ms=%lld",
			 d->conn->id, LOG_Q(d->conn->user), LOG_Q(d->conn->desktop),
			 (unsigned long long)d->in, (unsigned long long)d->out,
			 (long long)(clock_ms() - d->since_ms));
	}
	if (d)
		gw_route_fini(&d->route);
	free(d);
}

static void begin(struct ws_desktop *d)
{
	d->routed = true;
	gw_stats_session(d->conn->proto, true);
	gw_stats_login(d->conn->proto, NULL);
	d->since_ms = clock_ms();
	d->route.host.s.in.cap = QUEUE_MAX;
	sock_keepalive(d->client->c.fd, CLIENT_DEAD_MS);
	sock_keepalive(d->route.host.s.c.fd, HOST_DEAD_MS);
	log_info("session.start",
		 "conn=%s proto=rfb client=%s user=%s desktop=%s via=browser login_ms=%lld",
		 d->conn->id, d->conn->peer, LOG_Q(d->conn->user), LOG_Q(d->conn->desktop),
		 (long long)(d->since_ms - d->conn->since_ms));
}

/* One piece of the client's. True when that was its last. */
static bool on_piece(struct ws_desktop *d, const struct ws_piece *piece)
{
	switch (piece->kind) {
	case WS_DATA:
		d->in += piece->n;
		gw_stats_bytes(true, piece->n);
		return piece->n && gw_stream_send(&d->route.host.s, piece->p, piece->n) &&
		       lost(d, "The desktop does not take input");
	case WS_PING:
		return send_frame(d, WS_PONG, piece->p, piece->n) != 0;
	case WS_CLOSE:
		return say_close(d, WS_CLOSE_NORMAL, "");
	case WS_PONG:
		break;
	}
	return false;
}

/* Client to host, as far as that has room. */
static bool pump_in(struct ws_desktop *d)
{
	while (d->client->in.len && d->route.host.s.out.len < QUEUE_MAX &&
	       d->client->out.len < QUEUE_MAX) {
		struct ws_piece piece;
		int used = ws_read(&d->reader, buf_head(&d->client->in), d->client->in.len, &piece);

		if (used < 0) {
			gw_conn_log_drop(d->conn, "protocol", "not a browser's frame");
			return say_close(d, WS_CLOSE_PROTO, "not a browser's frame");
		}
		if (!used)
			break;
		if (on_piece(d, &piece))
			return true;
		buf_consume(&d->client->in, (size_t)used);
		gw_stream_pull(d->client);
	}
	return d->client->eof || d->client->error;
}

/* Host to client, as far as that has room. */
static bool pump_out(struct ws_desktop *d)
{
	struct gw_stream *h = &d->route.host.s;

	while (h->in.len && d->client->out.len < QUEUE_MAX) {
		size_t n = h->in.len < PIECE_MAX ? h->in.len : PIECE_MAX;

		if (send_frame(d, WS_DATA, buf_head(&h->in), n))
			return true;
		d->out += n;
		gw_stats_bytes(false, n);
		buf_consume(&h->in, n);
		gw_stream_pull(h);
	}
	if (h->in.len)
		return false;
	if (h->error)
		return lost(d, "The connection to the desktop was lost");
	return h->eof && say_close(d, WS_CLOSE_NORMAL, "The desktop ended the connection");
}

bool ws_desktop_step(struct ws_desktop *d)
{
	struct gw_refusal why;
	int r;

	if (!d->routed) {
		if (d->client->eof || d->client->error)
			return true;
		r = gw_route_poll(&d->route, &why);
		if (r == -EAGAIN)
			return false;
		if (r)
			return refuse(d, &why);
		begin(d);
	}
	return pump_in(d) || pump_out(d);
}
