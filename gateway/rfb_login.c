/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RFB login. One per connection, in the worker's loop. Theory of operation (RFC 6143 §7.1 and
 * VeNCrypt 0.2):
 *
 *   VERSION   ProtocolVersion both ways                                  clear text
 *   TYPE      one security type is offered, VeNCrypt                     clear text
 *   VENCRYPT  version 0.2;  SUBTYPE  X509Plain                           clear text
 *   TLS       handshake
 *   PLAIN     user ("alice" or "alice#office") and password or ticket
 *   ROUTE     broker, then the host link (route.c)
 *   B_VERSION, B_TYPES, B_RESULT   here the gateway is the viewer: security None
 *
 * Then the viewer gets SecurityResult, and from ClientInit on both connections are a session. A
 * refusal carries its reason in SecurityResult, which viewers show.
 */
#include "common/json.h"
#include "gateway/login.h"
#include "gateway/rfb_pdu.h"
#include "gateway/route.h"
#include "gateway/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"

#define CLIENT_IN_CAP 2048
#define BACKEND_MS    10000
#define LINGER_MS     2000
#define NEED_VENCRYPT                                                                              \
	"This server speaks VeNCrypt with X509Plain only: use a viewer with TLS, such as TigerVNC"

enum rfb_state {
	RFB_VERSION_WAIT,
	RFB_TYPE,
	RFB_VENCRYPT,
	RFB_SUBTYPE,
	RFB_TLS,
	RFB_PLAIN,
	RFB_ROUTE,
	RFB_B_VERSION,
	RFB_B_TYPES,
	RFB_B_RESULT,
	RFB_ENDING,
};

static const char *const state_names[] = {
	"version",	   "type",	    "vencrypt",	      "subtype", "tls", "plain", "route",
	"display-version", "display-types", "display-result", "ending"};

struct rfb_login {
	struct gw_conn *conn; /* owned */
	struct gw_stream client;
	struct loop_timer *deadline; /* owned */
	enum rfb_state state;
	bool late;
	int minor; /* of the viewer's protocol version */
	struct gw_credentials cred;
	struct gw_route route;
};

static void login_free(struct rfb_login *l)
{
	loop_timer_del(l->deadline);
	gw_stream_fini(&l->client);
	gw_route_fini(&l->route);
	explicit_bzero(&l->cred, sizeof(l->cred));
	if (l->conn)
		gw_conn_free(l->conn);
	free(l);
}

static void end_login(void *holder)
{
	login_free(holder);
}

static void drop(struct rfb_login *l, const char *why, const char *detail)
{
	char at[512];

	snprintf(at, sizeof(at), "%s: %s", state_names[l->state], detail);
	gw_conn_log_drop(l->conn, why, at);
	login_free(l);
}

/* Sends the last words in b and waits for the viewer to take them; l may be gone afterwards. */
static void farewell(struct rfb_login *l, struct buf *b, int r)
{
	gw_route_fini(&l->route);
	l->state = RFB_ENDING;
	l->late = false;
	loop_timer_set(l->deadline, LINGER_MS);
	if (!r)
		r = gw_stream_send(&l->client, buf_head(b), b->len);
	buf_fini(b);
	if (r || gw_stream_linger(&l->client))
		login_free(l);
}

static void refuse(struct rfb_login *l, const struct gw_refusal *why)
{
	const char *said = why->message;
	char text[360];
	struct buf b;

	log_info("login.refused",
		 "conn=%s proto=rfb client=%s user=%s code=%s message=%s detail=%s", l->conn->id,
		 l->conn->peer, LOG_Q(l->cred.user), why->code, LOG_Q(why->message),
		 LOG_Q(why->detail));
	gw_conn_blame_login(l->conn, why->code);
	/* One answer for every failed login, whoever found it out. */
	if (!strcmp(why->code, "login.failed"))
		said = "User name, password or ticket is wrong";
	if (strstr(said, l->conn->id))
		snprintf(text, sizeof(text), "%s", said);
	else
		snprintf(text, sizeof(text), "%s (id %s)", said, l->conn->id);
	buf_init(&b, 1024);
	farewell(l, &b, rfb_write_result_failed(&b, l->minor, text));
}

static void refuse_type(struct rfb_login *l)
{
	struct buf b;
	int r;

	gw_conn_log_drop(l->conn, "no-vencrypt", "the viewer does not speak VeNCrypt X509Plain");
	buf_init(&b, 1024);
	r = l->state == RFB_VERSION_WAIT ? rfb_write_no_types(&b, l->minor, NEED_VENCRYPT)
					 : rfb_write_result_failed(&b, l->minor, NEED_VENCRYPT);
	farewell(l, &b, r);
}

static int say(struct rfb_login *l, const void *p, size_t n)
{
	return gw_stream_send(&l->client, p, n);
}

/* ---- the viewer's messages: bytes used, 0 for more, -ENOTSUP for another security, -errno ---- */

static int on_version(struct rfb_login *l, const uint8_t *p, size_t n)
{
	static const uint8_t types[2] = {1, RFB_SEC_VENCRYPT};
	int used = rfb_take_version(p, n, &l->minor);

	if (used <= 0)
		return used;
	if (l->minor < 7)
		return -ENOTSUP;
	l->state = RFB_TYPE;
	return say(l, types, sizeof(types)) ?: used;
}

static int on_type(struct rfb_login *l, const uint8_t *p, size_t n)
{
	static const uint8_t version[2] = {0, 2};

	if (n < 1)
		return 0;
	if (p[0] != RFB_SEC_VENCRYPT)
		return -ENOTSUP;
	l->state = RFB_VENCRYPT;
	return say(l, version, sizeof(version)) ?: 1;
}

static int on_vencrypt(struct rfb_login *l, const uint8_t *p, size_t n)
{
	uint8_t m[6] = {0, 1}; /* version accepted; one subtype */

	if (n < 2)
		return 0;
	if (p[0] != 0 || p[1] != 2)
		return -ENOTSUP;
	put_be32(m + 2, RFB_X509_PLAIN);
	l->state = RFB_SUBTYPE;
	return say(l, m, sizeof(m)) ?: 2;
}

static int on_subtype(struct rfb_login *l, const uint8_t *p, size_t n)
{
	static const uint8_t go = 1;

	if (n < 4)
		return 0;
	if (get_be32(p) != RFB_X509_PLAIN)
		return -ENOTSUP;
	l->state = RFB_TLS;
	return say(l, &go, 1) ?: 4;
}

static void login_step(void *arg);

static int on_plain(struct rfb_login *l, const uint8_t *p, size_t n)
{
	char user[RFB_MAX_USER + 1];
	int used = rfb_take_plain(p, n, user, &l->cred.password), r;

	if (used <= 0)
		return used;
	r = gw_credentials_user(&l->cred, user);
	if (r)
		return r;
	explicit_bzero(buf_head(&l->client.in), (size_t)used);
	l->state = RFB_ROUTE;
	loop_timer_set(l->deadline, -1); /* the route has its own */
	r = gw_route_start(&l->route, l->conn, &l->cred, NULL, login_step, l);
	secret_wipe(&l->cred.password);
	return r ? r : used;
}

static int on_message(struct rfb_login *l, const uint8_t *p, size_t n)
{
	switch (l->state) {
	case RFB_VERSION_WAIT:
		return on_version(l, p, n);
	case RFB_TYPE:
		return on_type(l, p, n);
	case RFB_VENCRYPT:
		return on_vencrypt(l, p, n);
	case RFB_SUBTYPE:
		return on_subtype(l, p, n);
	default:
		return on_plain(l, p, n);
	}
}

/* Returns false when l is gone. */
static bool step_client(struct rfb_login *l)
{
	struct err e = {0};

	while (l->state < RFB_ROUTE) {
		int r;

		if (l->state == RFB_TLS) {
			if (!gw_stream_ready(&l->client))
				return true;
			l->state = RFB_PLAIN;
		}
		r = on_message(l, buf_head(&l->client.in), l->client.in.len);
		if (r == 0 && !l->client.eof && !gw_stream_full(&l->client))
			return true;
		if (r > 0) {
			buf_consume(&l->client.in, (size_t)r);
			r = l->state == RFB_TLS
				    ? gw_stream_tls(&l->client, l->conn->w->public_tls[0],
						    TLS_SERVER, &e)
				    : 1;
		}
		if (r == -ENOTSUP) {
			refuse_type(l);
			return false;
		}
		if (r == -EINVAL || r == -ENAMETOOLONG) {
			refuse(l, &(struct gw_refusal){.code = "login.failed"});
			return false;
		}
		if (r < 0 || (r == 0 && l->state != RFB_TLS)) {
			drop(l, r ? "protocol" : "closed", e.msg[0] ? e.msg : strerror(-r));
			return false;
		}
	}
	return true;
}

/* ---- the display's messages: bytes used, 0 for more, -errno ---- */

static int on_display(struct rfb_login *l, struct gw_stream *h)
{
	static const uint8_t none = RFB_SEC_NONE;
	bool ok = false;
	int used, minor;

	if (l->state == RFB_B_VERSION) {
		used = rfb_take_version(buf_head(&h->in), h->in.len, &minor);
		if (used > 0 && (minor < 8 || gw_stream_send(h, RFB_VERSION, RFB_VERSION_LEN)))
			return -EPROTO;
	} else if (l->state == RFB_B_TYPES) {
		used = rfb_take_types(buf_head(&h->in), h->in.len, &ok);
		if (used > 0 && (!ok || gw_stream_send(h, &none, 1)))
			return -EPROTO;
	} else {
		used = rfb_take_result(buf_head(&h->in), h->in.len, &ok);
		if (used > 0 && !ok)
			return -EPROTO;
	}
	return used;
}

static void become_session(struct rfb_login *l)
{
	struct gw_stream *h = &l->route.host.s;
	struct buf b;
	int r;

	buf_init(&b, 16);
	r = rfb_write_result_ok(&b);
	if (!r)
		r = say(l, buf_head(&b), b.len);
	buf_fini(&b);
	if (r || l->client.out.len) {
		drop(l, "closed", "the viewer does not read");
		return;
	}
	if (gw_session_start(l->conn, &l->client, h, false)) {
		drop(l, "memory", "no session");
		return;
	}
	l->conn = NULL; /* the session's */
	login_free(l);
}

static void step_display(struct rfb_login *l)
{
	struct gw_stream *h = &l->route.host.s;

	while (l->state >= RFB_B_VERSION && l->state <= RFB_B_RESULT) {
		int used = on_display(l, h);

		if (used == 0 && !h->error && !h->eof)
			return;
		if (used <= 0) {
			struct gw_refusal why = {
				.code = "display.differs",
				.message = "The desktop's display does not answer as expected."};

			snprintf(why.detail, sizeof(why.detail), "%s: %.250s",
				 state_names[l->state],
				 used ? strerror(-used) : "the display hung up");
			refuse(l, &why);
			return;
		}
		buf_consume(&h->in, (size_t)used);
		if (l->state == RFB_B_RESULT) {
			become_session(l);
			return;
		}
		l->state++;
	}
}

/* Returns false when l is gone or there is nothing more to do now. */
static bool step_route(struct rfb_login *l)
{
	struct gw_refusal why;
	int r = gw_route_poll(&l->route, &why);

	if (r == -EAGAIN)
		return false;
	if (r) {
		refuse(l, &why);
		return false;
	}
	l->state = RFB_B_VERSION;
	loop_timer_set(l->deadline, BACKEND_MS);
	return true;
}

static void login_step(void *arg)
{
	struct rfb_login *l = arg;

	if (l->late) {
		drop(l, "deadline", "the login took too long");
		return;
	}
	if (l->state == RFB_ENDING) {
		if (gw_stream_linger(&l->client))
			login_free(l);
		return;
	}
	if (l->client.error || (l->client.eof && l->state >= RFB_ROUTE)) {
		drop(l, l->state == RFB_TLS ? "tls" : "closed",
		     l->client.error ? l->client.err.msg : "the viewer hung up");
		return;
	}
	if (!step_client(l))
		return;
	if (l->state == RFB_ROUTE && !step_route(l))
		return;
	if (l->state >= RFB_B_VERSION)
		step_display(l);
}

static void on_deadline(void *arg)
{
	struct rfb_login *l = arg;

	if (l->state == RFB_ENDING) {
		login_free(l);
		return;
	}
	l->late = true;
	login_step(l);
}

void rfb_login_start(struct gw_conn *conn, int fd)
{
	struct rfb_login *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		gw_conn_free(conn);
		return;
	}
	l->conn = conn;
	conn->end = end_login;
	conn->holder = l;
	gw_stream_none(&l->client);
	gw_route_none(&l->route);
	sock_nodelay(fd);
	l->deadline = loop_timer_add(conn->w->loop, gw_conn_left(conn), on_deadline, l);
	if (!l->deadline ||
	    gw_stream_init(&l->client, conn->w->loop, fd, CLIENT_IN_CAP, login_step, l)) {
		close(fd);
		login_free(l);
		return;
	}
	if (say(l, RFB_VERSION, RFB_VERSION_LEN))
		login_free(l);
}
