/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The door; see door.h. One struct door_conn a connection, in one list, loop's thread:
 *
 *   HANDSHAKE -> PREFACE -> DISPLAY -> ANSWER -> RELAY      (any) -> LEAVING
 *
 * HANDSHAKE and PREFACE share one deadline, DISPLAY and ANSWER another. In RELAY the relay owns
 * both sockets. LEAVING has sent its refusal and reads on until the peer closes, so that the
 * refusal is not lost to a reset. Whatever a connection does wrong ends that connection only.
 */
#include "vmm/host/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/preface.h"
#include "common/relay.h"
#include "common/sock.h"
#include "vmm/host/nonces.h"

#define DOOR_PREFACE_MS 10000
#define DOOR_DISPLAY_MS 15000
#define DOOR_LEAVE_MS	2000
#define DOOR_PENDING	128 /* connections that have not been admitted */
#define DOOR_IN_MAX	(PREFACE_HEAD + PREFACE_MAX + 16384)
#define DOOR_DEAD_MS	20000
#define DOOR_ACCEPTS	16
#define DOOR_ASKS	3

enum door_state {
	DOOR_HANDSHAKE,
	DOOR_PREFACE,
	DOOR_DISPLAY,
	DOOR_ANSWER,
	DOOR_RELAY,
	DOOR_LEAVING
};

struct door_conn {
	struct host_door *door;
	struct door_conn *next;
	enum door_state state;
	struct tlsconn gw, disp;	 /* owned until the relay takes them */
	struct loop_io *gw_io, *disp_io; /* owned */
	struct loop_timer *deadline;	 /* owned */
	struct host_display_wait *wait;
	struct relay *relay; /* owned by itself */
	struct buf in, back; /* from the gateway, from the display */
	json_t *preface;     /* owned; without its grant */
	struct grant grant;
	int asked; /* displays that ended before they answered */
	bool input_known;
	int64_t input_ms; /* clock_ms() of its last input */
	char protocol[8], client[SOCK_ADDR_MAX], peer[SOCK_ADDR_MAX];
};

struct host_door {
	struct loop *loop;		  /* borrowed */
	const struct host_config *config; /* borrowed */
	struct host_door_ops ops;
	char host[HOST_UUID];
	SSL_CTX *tls;		    /* owned */
	EVP_PKEY *key;		    /* owned; NULL until known */
	struct host_nonces *nonces; /* owned */
	int fd;			    /* owned */
	struct loop_io *io;	    /* owned */
	struct door_conn *conns;
	unsigned pending, admitted;
	struct log_bucket quota;
};

/* ---- bookkeeping ---- */

static bool is_pending(enum door_state s)
{
	return s == DOOR_HANDSHAKE || s == DOOR_PREFACE || s == DOOR_LEAVING;
}

static void conn_state(struct door_conn *c, enum door_state to)
{
	unsigned *from_n = is_pending(c->state) ? &c->door->pending : &c->door->admitted;
	unsigned *to_n = is_pending(to) ? &c->door->pending : &c->door->admitted;

	(*from_n)--;
	(*to_n)++;
	c->state = to;
}

static void conn_free(struct door_conn *c)
{
	struct host_door *d = c->door;

	for (struct door_conn **p = &d->conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	if (is_pending(c->state))
		d->pending--;
	else
		d->admitted--;
	host_display_cancel(c->wait);
	loop_io_del(c->gw_io);
	loop_io_del(c->disp_io);
	loop_timer_del(c->deadline);
	tlsconn_fini(&c->gw);
	tlsconn_fini(&c->disp);
	buf_fini(&c->in);
	buf_fini(&c->back);
	json_decref(c->preface);
	free(c);
}

static void conn_log(struct door_conn *c, const char *event, const char *why)
{
	if (log_allow(&c->door->quota, 5))
		log_warn(event, "peer=%s conn=%s why=%s", c->peer,
			 c->grant.conn[0] ? LOG_Q(c->grant.conn) : "-", LOG_Q(why));
}

static void conn_drop(struct door_conn *c, const char *why)
{
	conn_log(c, "door.drop", why);
	conn_free(c);
}

/* Says no and waits for the peer to have read it. */
static void conn_refuse(struct door_conn *c, const char *word, const char *msg)
{
	struct buf b;
	json_t *o = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", word, "message", msg);
	bool sent;

	conn_log(c, "door.refuse", msg);
	buf_init(&b, 0);
	sent = o && preface_append(&b, o) == 0 &&
	       tlsconn_write(&c->gw, buf_head(&b), b.len) == (ssize_t)b.len;
	buf_fini(&b);
	json_decref(o);
	if (!sent) {
		conn_free(c);
		return;
	}
	loop_io_del(c->disp_io);
	c->disp_io = NULL;
	tlsconn_fini(&c->disp);
	tlsconn_shutdown(&c->gw);
	shutdown(c->gw.fd, SHUT_WR);
	conn_state(c, DOOR_LEAVING);
	loop_io_set(c->gw_io, LOOP_READ);
	loop_timer_set(c->deadline, DOOR_LEAVE_MS);
}

static void on_deadline(void *arg)
{
	struct door_conn *c = arg;

	if (c->state == DOOR_DISPLAY || c->state == DOOR_ANSWER) {
		host_display_cancel(c->wait);
		c->wait = NULL;
		conn_refuse(c, "display.timeout", "the desktop's display did not answer in time");
	} else if (c->state == DOOR_LEAVING) {
		conn_free(c);
	} else {
		conn_drop(c, "no preface in time");
	}
}

/* ---- relay ---- */

static void on_relay_end(void *arg, enum relay_end why, const struct relay_stats *st)
{
	struct door_conn *c = arg;
	struct host_door *d = c->door;
	char desktop[sizeof(c->grant.desktop)];

	log_info("viewer.end", "conn=%s desktop=%s why=%d in=%llu out=%llu", c->grant.conn,
		 c->grant.desktop, why, (unsigned long long)st->a_to_b,
		 (unsigned long long)st->b_to_a);
	snprintf(desktop, sizeof(desktop), "%s", c->grant.desktop);
	c->relay = NULL;
	conn_free(c);
	d->ops.viewers(d->ops.arg, desktop);
}

static void conn_relay(struct door_conn *c)
{
	struct host_door *d = c->door;

	loop_io_del(c->gw_io);
	loop_io_del(c->disp_io);
	c->gw_io = c->disp_io = NULL;
	loop_timer_set(c->deadline, -1);
	c->relay = relay_start(d->loop, &c->gw, &c->disp, buf_head(&c->in), c->in.len,
			       buf_head(&c->back), c->back.len, on_relay_end, c);
	if (!c->relay) {
		conn_drop(c, "no memory for a relay");
		return;
	}
	/* The relay moved both connections out. */
	c->gw = c->disp = (struct tlsconn){.fd = -1};
	conn_state(c, DOOR_RELAY);
	buf_fini(&c->in);
	buf_fini(&c->back);
	log_info("viewer.start", "conn=%s desktop=%s user=%s protocol=%s", c->grant.conn,
		 c->grant.desktop, LOG_Q(c->grant.user), c->protocol);
	d->ops.viewers(d->ops.arg, c->grant.desktop);
}

/* ---- display ---- */

static void on_display_ready(void *arg, int fd, const char *why);

static int conn_ask_display(struct door_conn *c, struct err *e)
{
	struct host_door *d = c->door;
	struct host_display *display;

	display = d->ops.display(d->ops.arg, c->grant.desktop, c->grant.epoch, e);
	if (!display)
		return -EAGAIN;
	c->wait = host_display_connect(display, on_display_ready, c);
	if (!c->wait)
		return err_setw(e, -EAGAIN, "display.busy", "too many wait for this display");
	return 0;
}

/* The display ended between taking the connection and answering: the next one is asked, a few times
 * and within the same deadline. */
static void conn_ask_again(struct door_conn *c)
{
	struct err e = {0};

	loop_io_del(c->disp_io);
	c->disp_io = NULL;
	tlsconn_fini(&c->disp);
	if (c->back.len || c->asked++ == DOOR_ASKS) {
		conn_refuse(c, "display.gone", "the desktop's display ended while it was asked");
		return;
	}
	if (conn_ask_display(c, &e) < 0) {
		conn_refuse(c, e.word, e.msg);
		return;
	}
	conn_state(c, DOOR_DISPLAY);
}

static void on_display_bytes(void *arg, int fd, unsigned events)
{
	struct door_conn *c = arg;
	uint8_t *p = buf_reserve(&c->back, 4096);
	cleanup_json json_t *answer = NULL;
	ssize_t n = p ? recv(fd, p, 4096, MSG_DONTWAIT) : -ENOBUFS;
	const char *word = "display.refused", *msg = "the display refused";
	bool ok = false;
	int r;

	(void)events;
	if (n < 0 && p && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_ask_again(c);
		return;
	}
	buf_commit(&c->back, (size_t)n);
	r = preface_take(buf_head(&c->back), c->back.len, &answer, NULL);
	if (r == 0)
		return;
	if (r < 0 || json_opt_bool(answer, "ok", &ok, NULL) < 0 ||
	    json_opt_str(answer, "code", 64, &word, NULL) < 0 ||
	    json_opt_str(answer, "message", 400, &msg, NULL) < 0)
		conn_refuse(c, "display.garbled", "the desktop's display did not answer sensibly");
	else if (!ok)
		conn_refuse(c, word, msg);
	else
		conn_relay(c);
}

static void on_display_ready(void *arg, int fd, const char *why)
{
	struct door_conn *c = arg;
	struct buf b;
	bool sent;

	c->wait = NULL;
	if (fd < 0) {
		conn_refuse(c, "display.failed", why);
		return;
	}
	c->disp = (struct tlsconn){.fd = fd};
	buf_init(&b, 0);
	sent = preface_append(&b, c->preface) == 0 &&
	       tlsconn_write(&c->disp, buf_head(&b), b.len) == (ssize_t)b.len;
	buf_fini(&b);
	c->disp_io = sent ? loop_io_add(c->door->loop, fd, LOOP_READ, on_display_bytes, c) : NULL;
	if (!c->disp_io) {
		conn_refuse(c, "display.failed", "the desktop's display took no preface");
		return;
	}
	conn_state(c, DOOR_ANSWER);
}

/* ---- preface ---- */

static int grant_allows(const struct grant *g, const struct host_door_check *k, json_t *o,
			struct err *e)
{
	const char *desktop, *user, *conn;
	int r;

	if ((r = json_need_str(o, "desktop", 36, 36, &desktop, e)) < 0 ||
	    (r = json_need_str(o, "user", 1, 127, &user, e)) < 0 ||
	    (r = json_need_str(o, "conn", 1, 15, &conn, e)) < 0)
		return r;
	if (strcmp(g->host, k->host) != 0)
		return err_setw(e, -EACCES, "grant.host", "the grant is for another host");
	if (strcmp(g->desktop, desktop) != 0 || strcmp(g->user, user) != 0 ||
	    strcmp(g->conn, conn) != 0)
		return err_setw(e, -EACCES, "grant.form", "the grant is for something else");
	if (g->expires_s < k->now_s)
		return err_setw(e, -EACCES, "grant.expired", "the grant has expired");
	return 0;
}

int host_door_preface(json_t *o, const struct host_door_check *k, struct grant *g, struct err *e)
{
	const char *text, *protocol, *client;
	int r;

	*g = (struct grant){0};
	if (!json_is_object(o))
		return err_setw(e, -EPROTO, "preface.form", "the preface is not an object");
	if (!k->key)
		return err_setw(e, -EAGAIN, "host.starting", "this host has no grant key yet");
	if ((r = json_need_str(o, "grant", 1, GRANT_MAX - 1, &text, e)) < 0 ||
	    (r = json_need_str(o, "protocol", 3, 3, &protocol, e)) < 0 ||
	    (r = json_need_str(o, "client", 1, SOCK_ADDR_MAX - 1, &client, e)) < 0)
		return r;
	if (strcmp(protocol, "rdp") != 0 && strcmp(protocol, "rfb") != 0)
		return err_setw(e, -EPROTO, "preface.form", "neither rdp nor rfb");
	if ((r = grant_verify(k->key, text, g, e)) < 0 || (r = grant_allows(g, k, o, e)) < 0)
		return r;
	json_object_del(o, "grant");
	json_object_del(o, "mode"); /* is the grant's to say */
	if (g->mode[0] && json_object_set_new(o, "mode", json_string(g->mode)) < 0)
		return -ENOMEM;
	return 0;
}

static int conn_admit(struct door_conn *c, struct err *e)
{
	struct host_door *d = c->door;
	struct host_door_check k = {.key = d->key, .host = d->host};
	int r;

	k.now_s = d->ops.now_s(d->ops.arg);
	if ((r = host_door_preface(c->preface, &k, &c->grant, e)) < 0) {
		if (strcmp(e->word, "grant.expired") == 0)
			d->ops.doubt(d->ops.arg);
		return r;
	}
	r = host_nonces_use(d->nonces, &c->grant, k.now_s);
	if (r == -EEXIST)
		return err_setw(e, r, "grant.used", "the grant has been used");
	if (r < 0)
		return err_setw(e, r, "host.busy", "this host cannot take note of the grant: %s",
				strerror(-r));
	if (d->admitted >= (unsigned)d->config->max_connections)
		return err_setw(e, -EAGAIN, "host.busy", "this host serves %u viewers already",
				d->admitted);
	if ((r = conn_ask_display(c, e)) < 0)
		return r;
	snprintf(c->protocol, sizeof(c->protocol), "%s",
		 json_string_value(json_object_get(c->preface, "protocol")));
	snprintf(c->client, sizeof(c->client), "%s",
		 json_string_value(json_object_get(c->preface, "client")));
	return 0;
}

static void conn_preface(struct door_conn *c)
{
	struct err e = {0};
	int r = preface_take(buf_head(&c->in), c->in.len, &c->preface, &e);

	if (r == 0)
		return;
	if (r < 0) {
		conn_refuse(c, "preface.form", "that is no preface");
		return;
	}
	buf_consume(&c->in, (size_t)r);
	if (conn_admit(c, &e) < 0) {
		conn_refuse(c, e.word[0] ? e.word : "preface.form", e.msg);
		return;
	}
	conn_state(c, DOOR_DISPLAY);
	loop_io_set(c->gw_io, 0); /* nothing more is read until the relay runs */
	loop_timer_set(c->deadline, DOOR_DISPLAY_MS);
}

/* Reads what is there; false when the connection is gone (and freed). */
static bool conn_read(struct door_conn *c)
{
	do {
		uint8_t *p = buf_reserve(&c->in, 4096);
		ssize_t n = p ? tlsconn_read(&c->gw, p, 4096) : -ENOBUFS;

		if (n == -EAGAIN)
			return true;
		if (n <= 0) {
			conn_drop(c, n ? strerror((int)-n) : "closed before its preface");
			return false;
		}
		buf_commit(&c->in, (size_t)n);
	} while (tlsconn_pending(&c->gw));
	return true;
}

static void conn_leave(struct door_conn *c)
{
	char sink[4096];
	ssize_t n = recv(c->gw.fd, sink, sizeof(sink), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_free(c);
}

static bool conn_handshake(struct door_conn *c)
{
	struct err e = {0};
	char cn[64], ou[64];
	int r = tlsconn_handshake(&c->gw, &e);

	if (r == -EAGAIN) {
		loop_io_set(c->gw_io, c->gw.want_write ? LOOP_WRITE : LOOP_READ);
		return false;
	}
	if (r < 0) {
		conn_drop(c, e.msg);
		return false;
	}
	if (tlsconn_peer(&c->gw, cn, ou) < 0 || strcmp(ou, "gateway") != 0) {
		conn_drop(c, "not a gateway's certificate");
		return false;
	}
	conn_state(c, DOOR_PREFACE);
	loop_io_set(c->gw_io, LOOP_READ);
	return true;
}

static void on_gateway(void *arg, int fd, unsigned events)
{
	struct door_conn *c = arg;

	(void)fd;
	if (c->state == DOOR_LEAVING) {
		conn_leave(c);
		return;
	}
	if (c->state == DOOR_DISPLAY || c->state == DOOR_ANSWER) {
		if (events & LOOP_HUP)
			conn_drop(c, "the gateway left");
		return;
	}
	if (c->state == DOOR_HANDSHAKE && !conn_handshake(c))
		return;
	if (conn_read(c))
		conn_preface(c);
}

/* ---- accepting ---- */

static int conn_new(struct host_door *d, int fd, const char *peer)
{
	struct door_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct door_conn){.door = d, .gw = {.fd = -1}, .disp = {.fd = -1}, .next = d->conns};
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	buf_init(&c->in, DOOR_IN_MAX);
	buf_init(&c->back, DOOR_IN_MAX);
	if (tlsconn_init(&c->gw, d->tls, fd, TLS_SERVER, NULL, NULL) < 0) {
		free(c);
		return -ENOMEM;
	}
	d->conns = c;
	d->pending++;
	c->gw_io = loop_io_add(d->loop, fd, LOOP_READ, on_gateway, c);
	c->deadline = loop_timer_add(d->loop, DOOR_PREFACE_MS, on_deadline, c);
	if (!c->gw_io || !c->deadline)
		conn_free(c);
	return 0;
}

static void on_accept(void *arg, int fd, unsigned events)
{
	struct host_door *d = arg;
	char peer[SOCK_ADDR_MAX];

	(void)events;
	for (int i = 0; i < DOOR_ACCEPTS; i++) {
		int s = sock_accept(fd, peer);

		if (s < 0)
			return;
		sock_nodelay(s);
		sock_keepalive(s, DOOR_DEAD_MS);
		if (d->pending >= DOOR_PENDING || conn_new(d, s, peer) < 0) {
			if (log_allow(&d->quota, 5))
				log_warn("door.full", "peer=%s", peer);
			close(s);
		}
	}
}

struct host_door *host_door_new(struct loop *l, const struct host_config *c,
				const struct host_identity *id, const struct host_door_ops *ops,
				struct err *e)
{
	struct tls_params tp = {.role = TLS_SERVER,
				.cert = id->cert,
				.key = id->key,
				.ca = id->ca,
				.require_peer = true,
				.no_tickets = true};
	struct host_door *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->fd = -1;
	d->loop = l;
	d->config = c;
	d->ops = *ops;
	memcpy(d->host, id->id, HOST_UUID);
	d->nonces = host_nonces_open(c->state_dir, ops->now_s(ops->arg), e);
	d->tls = d->nonces ? tls_context(&tp, e) : NULL;
	if (d->tls)
		d->fd = sock_listen(c->listen, SOCK_STREAM, false, 0600, e);
	if (d->fd >= 0)
		d->io = loop_io_add(l, d->fd, LOOP_READ, on_accept, d);
	if (!d->io) {
		host_door_free(d);
		return NULL;
	}
	d->key = grant_key_load(id->grant_pub, false, NULL);
	return d;
}

void host_door_free(struct host_door *d)
{
	struct door_conn *c, *next;

	if (!d)
		return;
	loop_io_del(d->io);
	for (c = d->conns; c; c = next) {
		next = c->next;
		if (c->relay)
			relay_stop(c->relay);
		else
			conn_free(c);
	}
	if (d->fd >= 0)
		close(d->fd);
	SSL_CTX_free(d->tls);
	EVP_PKEY_free(d->key);
	host_nonces_free(d->nonces);
	free(d);
}

void host_door_key(struct host_door *d, EVP_PKEY *key)
{
	EVP_PKEY_free(d->key);
	d->key = key;
}

/* ---- viewers ---- */

static bool views(const struct door_conn *c, const char *desktop)
{
	return c->state == DOOR_RELAY && strcmp(c->grant.desktop, desktop) == 0;
}

static json_t *viewer_json(const struct door_conn *c)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s}", "conn", c->grant.conn, "user", c->grant.user,
			      "protocol", c->protocol, "client", c->client);

	if (o && c->grant.mode[0])
		(void)json_object_set_new(o, "mode", json_string(c->grant.mode));
	if (o && c->input_known)
		(void)json_object_set_new(o, "idle_s",
					  json_integer((clock_ms() - c->input_ms) / 1000));
	return o;
}

json_t *host_door_viewers(const struct host_door *d, const char *desktop)
{
	json_t *list = json_array();

	for (const struct door_conn *c = d->conns; list && c; c = c->next)
		if (views(c, desktop))
			(void)json_array_append_new(list, viewer_json(c));
	return list;
}

void host_door_input(struct host_door *d, const char *desktop, const char *conn, int64_t ago_ms)
{
	for (struct door_conn *c = d->conns; c; c = c->next) {
		if (!views(c, desktop) || strcmp(c->grant.conn, conn) != 0)
			continue;
		c->input_known = true;
		c->input_ms = clock_ms() - ago_ms;
	}
}

bool host_door_idle(const struct host_door *d, const char *desktop, int idle_s)
{
	int64_t since = clock_ms() - idle_s * INT64_C(1000);

	for (const struct door_conn *c = d->conns; c; c = c->next)
		if (views(c, desktop) && c->input_known && c->input_ms <= since)
			return true;
	return false;
}

unsigned host_door_count(const struct host_door *d, const char *desktop)
{
	unsigned n = 0;

	for (const struct door_conn *c = d->conns; c; c = c->next)
		n += views(c, desktop);
	return n;
}

/* Ends c, which may be in any state after the preface. Stopping a relay frees c from its callback.
 */
static void conn_end(struct door_conn *c)
{
	if (c->state == DOOR_RELAY)
		relay_stop(c->relay);
	else if (c->state != DOOR_LEAVING)
		conn_refuse(c, "desktop.moved", "the desktop is no longer this session's");
}

static bool matches(const struct door_conn *c, const char *desktop, int64_t epoch, const char *conn)
{
	if (is_pending(c->state) || strcmp(c->grant.desktop, desktop) != 0)
		return false;
	return conn ? strcmp(c->grant.conn, conn) == 0 : c->grant.epoch < epoch;
}

static void door_end_matching(struct host_door *d, const char *desktop, int64_t epoch,
			      const char *conn)
{
	struct door_conn *c = d->conns;

	while (c) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): conn_free takes c off the list */
		if (matches(c, desktop, epoch, conn)) {
			host_display_cancel(c->wait);
			c->wait = NULL;
			conn_end(c);
			c = d->conns; /* the callback may have freed any of them */
		} else {
			c = c->next;
		}
	}
}

void host_door_fence(struct host_door *d, const char *desktop, int64_t epoch)
{
	door_end_matching(d, desktop, epoch, NULL);
}

void host_door_drop(struct host_door *d, const char *desktop, const char *conn)
{
	door_end_matching(d, desktop, 0, conn);
}
