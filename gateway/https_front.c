/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The HTTPS relay: one request a connection, in the worker's loop. TLS, one head read and checked
 * within the login deadline, then the rewritten head goes to the broker's api.sock and the bytes
 * are relayed. The console's files are answered from memory, a piece at a time as the client reads.
 * What the gateway says itself (404, 405, 400, 431, 408, 503) is the API's error form with the
 * connection's id. docs/contracts.md "HTTPS relay".
 */
#include "gateway/files.h"
#include "common/http_head.h"
#include "gateway/login.h"
#include "gateway/session.h"
#include "gateway/tsgu.h"
#include "gateway/ws_desktop.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_CAP	   (HTTP_HEAD_MAX + 4096)
#define CONNECT_MS 5000
#define LINGER_MS  2000
#define FILE_MS	   60000 /* for a whole file: a reader slower than that is not one */
#define FILE_PIECE (32 * 1024)

enum front_state {
	FRONT_TLS,
	FRONT_HEAD,
	FRONT_BROKER,
	FRONT_FILE,
	FRONT_DESKTOP,
	FRONT_TUNNEL,
	FRONT_ENDING
};

struct https_front {
	struct gw_conn *conn; /* owned */
	struct gw_stream client, broker;
	struct loop_timer *deadline; /* owned */
	enum front_state state;
	bool late;
	const uint8_t *body; /* of a file, what is still to be sent; borrowed from the worker */
	size_t n_body;
	struct ws_desktop *desktop; /* owned */
	struct tsgu *tunnel;	    /* owned */
};

static void front_free(struct https_front *h)
{
	loop_timer_del(h->deadline);
	ws_desktop_free(h->desktop);
	tsgu_free(h->tunnel);
	gw_stream_fini(&h->client);
	gw_stream_fini(&h->broker);
	if (h->conn)
		gw_conn_free(h->conn);
	free(h);
}

static void end_front(void *holder)
{
	front_free(holder);
}

static void drop(struct https_front *h, const char *why, const char *detail)
{
	gw_conn_log_drop(h->conn, why, detail);
	front_free(h);
}

/* Answers for the gateway itself and ends; h may be gone afterwards. */
static void answer(struct https_front *h, const char *status, const char *code, const char *message)
{
	char body[512], head[256];
	int n = snprintf(body, sizeof(body),
			 "{\"error\":{\"code\":\"%s\",\"message\":\"%s\",\"reasons\":[],"
			 "\"id\":\"%s\"}}\n",
			 code, message, h->conn->id);
	int m = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
			 "Connection: close\r\n\r\n",
			 status, n);

	gw_stream_fini(&h->broker);
	h->state = FRONT_ENDING;
	h->late = false;
	loop_timer_set(h->deadline, LINGER_MS);
	buf_consume(&h->client.in, h->client.in.len);
	gw_stream_pause(&h->client, false);
	if (gw_stream_send(&h->client, head, (size_t)m) ||
	    gw_stream_send(&h->client, body, (size_t)n) || gw_stream_linger(&h->client))
		front_free(h);
}

static void no_broker(struct https_front *h, const char *detail)
{
	if (log_allow(&h->conn->w->drops, 5))
		log_warn("broker.down", "conn=%s client=%s detail=%s", h->conn->id, h->conn->peer,
			 LOG_Q(detail));
	answer(h, "503 Service Unavailable", "broker.down",
	       "The broker does not answer; try again in a few seconds.");
}

/* "OU/CN" when the client showed a certificate of the site's CA, with only plain characters. */
static const char *certificate(const struct tlsconn *c, char out[130])
{
	char cn[64], ou[64];

	if (tlsconn_peer(c, cn, ou))
		return NULL;
	snprintf(out, 130, "%s/%s", ou, cn);
	for (const char *p = out; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("/-_.@", *p))
			return NULL;
	return out;
}

static void front_step(void *arg);

static void start_broker(struct https_front *h, const struct http_head *head)
{
	char cert[130];
	struct http_client_facts f = {.peer = h->conn->peer,
				      .conn = h->conn->id,
				      .cert = certificate(&h->client.c, cert)};
	struct err e = {0};
	struct buf b;
	int r;

	h->state = FRONT_BROKER;
	gw_stream_pause(&h->client, true);
	loop_timer_set(h->deadline, CONNECT_MS);
	r = gw_stream_connect(&h->broker, h->conn->w->loop, h->conn->w->conf->broker_api, 4096,
			      front_step, h, &e);
	if (r) {
		no_broker(h, e.msg);
		return;
	}
	buf_init(&b, HTTP_HEAD_MAX + 1024);
	r = http_head_rewrite(&b, (const char *)buf_head(&h->client.in), head, &f);
	if (!r)
		r = gw_stream_send(&h->broker, buf_head(&b), b.len);
	buf_fini(&b);
	buf_consume(&h->client.in, head->bytes);
	if (r)
		drop(h, "memory", "no room for a head");
}

/* Keeps a piece or two queued; h may be gone afterwards. */
static void send_file(struct https_front *h)
{
	while (h->n_body && h->client.out.len < FILE_PIECE) {
		size_t n = h->n_body < FILE_PIECE ? h->n_body : FILE_PIECE;

		if (gw_stream_send(&h->client, h->body, n)) {
			drop(h, "memory", "no room for a file");
			return;
		}
		h->body += n;
		h->n_body -= n;
	}
	if (h->n_body)
		return;
	h->state = FRONT_ENDING;
	gw_stream_pause(&h->client, false);
	if (gw_stream_linger(&h->client))
		front_free(h);
}

static bool is_method(const struct http_head *head, const char *name)
{
	return head->method_len == strlen(name) && !memcmp(head->method, name, head->method_len);
}

static void start_file(struct https_front *h, const struct http_head *head, const struct gw_file *f)
{
	const char *text = (const char *)buf_head(&h->client.in), *coding;
	struct gw_file_request q = {.head = is_method(head, "HEAD")};
	size_t n = 0;
	struct buf b;
	int r;

	if (!q.head && !is_method(head, "GET")) {
		answer(h, "405 Method Not Allowed", "http.method", "This can only be read.");
		return;
	}
	q.etags = http_head_field(text, head, "if-none-match", &q.n_etags);
	coding = http_head_field(text, head, "accept-encoding", &n);
	q.gzip = coding && memmem(coding, n, "gzip", 4);
	buf_init(&b, 4096);
	r = gw_file_head(&b, f, &q, &h->body, &h->n_body);
	if (!r)
		r = gw_stream_send(&h->client, buf_head(&b), b.len);
	buf_fini(&b);
	if (r) {
		drop(h, "memory", "no room for a head");
		return;
	}
	h->state = FRONT_FILE;
	gw_stream_pause(&h->client, true);
	loop_timer_set(h->deadline, FILE_MS);
	buf_consume(&h->client.in, h->client.in.len);
	send_file(h);
}

/* What is queued to the client goes out, and then it is over; h may be gone afterwards. */
static void say_farewell(struct https_front *h)
{
	h->state = FRONT_ENDING;
	h->late = false;
	loop_timer_set(h->deadline, LINGER_MS);
	if (gw_stream_linger(&h->client))
		front_free(h);
}

static void step_desktop(struct https_front *h)
{
	if (!ws_desktop_step(h->desktop))
		return;
	ws_desktop_free(h->desktop);
	h->desktop = NULL;
	say_farewell(h);
}

static void start_desktop(struct https_front *h, const struct http_head *head)
{
	struct ws_request q;
	const char *why;
	int r = ws_request_parse((const char *)buf_head(&h->client.in), head, &q, &why);

	/* The ticket was in there. */
	explicit_bzero(buf_head(&h->client.in), head->bytes);
	buf_consume(&h->client.in, head->bytes);
	if (r) {
		gw_conn_log_drop(h->conn, "protocol", why);
		answer(h, r == -EACCES ? "403 Forbidden" : "400 Bad Request", "desktop.request",
		       why);
		return;
	}
	loop_timer_set(h->deadline, -1); /* the route has its own */
	h->state = FRONT_DESKTOP;
	h->desktop = ws_desktop_start(h->conn, &h->client, &q, front_step, h);
	if (!h->desktop)
		drop(h, "memory", "no room for a desktop");
}

static void step_tunnel(struct https_front *h)
{
	if (h->late) {
		drop(h, "deadline", "the tunnel was not set up in time");
		return;
	}
	if (!tsgu_step(h->tunnel))
		return;
	tsgu_free(h->tunnel);
	h->tunnel = NULL;
	say_farewell(h);
}

static void start_tunnel(struct https_front *h, const struct http_head *head)
{
	if (!tsgu_is_upgrade((const char *)buf_head(&h->client.in), head)) {
		answer(h, "426 Upgrade Required", "tunnel.websocket",
		       "This RD Gateway speaks WebSocket only.");
		return;
	}
	h->state = FRONT_TUNNEL;
	h->tunnel = tsgu_start(h->conn, &h->client, h->deadline, front_step, h);
	if (!h->tunnel)
		drop(h, "memory", "no room for a tunnel");
	else
		step_tunnel(h);
}

/* A target that is not the broker's. */
static void on_own_target(struct https_front *h, const struct http_head *head)
{
	const struct gw_file *f = gw_files_find(h->conn->w->files, head->target, head->target_len);

	if (f)
		start_file(h, head, f);
	else if (ws_is_request((const char *)buf_head(&h->client.in), head))
		start_desktop(h, head);
	else if (tsgu_is_request(head))
		start_tunnel(h, head);
	else
		answer(h, "404 Not Found", "path.unknown", "There is nothing at this path.");
}

/* The head's bytes are in: what now? h may be gone afterwards. */
static void on_head(struct https_front *h)
{
	struct http_head head;
	int r = http_head_parse((const char *)buf_head(&h->client.in), h->client.in.len, &head);

	if (r == -EAGAIN && h->client.eof) {
		drop(h, "closed", "head: the client hung up");
	} else if (r == -E2BIG) {
		gw_conn_log_drop(h->conn, "oversize", "head");
		answer(h, "431 Request Header Fields Too Large", "http.head",
		       "The request's head is larger than 16 KiB.");
	} else if (r == -EPROTO) {
		gw_conn_log_drop(h->conn, "protocol", "head");
		answer(h, "400 Bad Request", "http.syntax", "This is not a well-formed request.");
	} else if (!r && !head.to_broker) {
		on_own_target(h, &head);
	} else if (!r) {
		start_broker(h, &head);
	}
}

static void on_broker(struct https_front *h)
{
	if (h->broker.error) {
		no_broker(h, h->broker.err.msg);
		return;
	}
	if (h->broker.connecting || h->broker.out.len)
		return;
	if (gw_session_start(h->conn, &h->client, &h->broker, true)) {
		drop(h, "memory", "no session");
		return;
	}
	h->conn = NULL; /* the session's */
	front_free(h);
}

static void front_step(void *arg)
{
	struct https_front *h = arg;

	if (h->state == FRONT_ENDING) {
		if (gw_stream_linger(&h->client))
			front_free(h);
		return;
	}
	if (h->state == FRONT_DESKTOP) {
		step_desktop(h);
		return;
	}
	if (h->state == FRONT_TUNNEL) {
		step_tunnel(h);
		return;
	}
	if (h->client.error) {
		drop(h, h->state == FRONT_TLS ? "tls" : "closed", h->client.err.msg);
		return;
	}
	if (h->late && h->state == FRONT_BROKER) {
		no_broker(h, "no answer in time");
		return;
	}
	if (h->late && h->state == FRONT_HEAD) {
		gw_conn_log_drop(h->conn, "deadline", "the request's head took too long");
		answer(h, "408 Request Timeout", "http.timeout",
		       "The request's head took too long.");
		return;
	}
	if (h->late && h->state == FRONT_FILE) {
		drop(h, "deadline", "the client does not read");
		return;
	}
	if (h->late) {
		drop(h, "deadline", "the TLS handshake took too long");
		return;
	}
	if (h->state == FRONT_TLS && gw_stream_ready(&h->client))
		h->state = FRONT_HEAD;
	if (h->state == FRONT_HEAD)
		on_head(h);
	else if (h->state == FRONT_BROKER)
		on_broker(h);
	else if (h->state == FRONT_FILE)
		send_file(h);
}

static void on_deadline(void *arg)
{
	struct https_front *h = arg;

	if (h->state == FRONT_ENDING) {
		front_free(h);
		return;
	}
	h->late = true;
	front_step(h);
}

void https_front_start(struct gw_conn *conn, int fd)
{
	struct https_front *h = calloc(1, sizeof(*h));
	struct err e = {0};

	if (!h) {
		close(fd);
		gw_conn_free(conn);
		return;
	}
	h->conn = conn;
	conn->end = end_front;
	conn->holder = h;
	gw_stream_none(&h->client);
	gw_stream_none(&h->broker);
	sock_nodelay(fd);
	h->deadline = loop_timer_add(conn->w->loop, gw_conn_left(conn), on_deadline, h);
	if (!h->deadline || gw_stream_init(&h->client, conn->w->loop, fd, IN_CAP, front_step, h)) {
		close(fd);
		front_free(h);
		return;
	}
	if (gw_stream_tls(&h->client, conn->w->https_tls[0], TLS_SERVER, &e))
		drop(h, "memory", e.msg);
}
