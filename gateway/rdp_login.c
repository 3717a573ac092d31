/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RDP login. One per connection, in the worker's loop. Theory of operation
 * ([MS-RDPBCGR] 1.3.1.1):
 *
 *   X224     Connection Request, answered with TLS                      clear text, <= 512 bytes
 *   TLS      handshake
 *   NLA      where the site has it and the client offers it: a ticket, proved (nla.h)
 *   INITIAL  MCS Connect-Initial -> Connect-Response                    <= 16 kB
 *   ERECT, ATTACH, JOIN   channel connection, answered one by one
 *   INFO     Client Info: user and password                             <= 4 kB
 *   ROUTE    broker, then the host link (route.c)
 *   REPLAY   the client's own messages go to the display, its answers are compared with ours
 * (splice.c)
 *
 * after which both connections become a session and this object is gone. From accept to INFO one
 * deadline runs. A refusal is said as an RDP client understands it (ENDING), garbage is just
 * dropped. Everything a client says is kept until INFO: that is what is replayed, with the password
 * blanked. Where there is a lobby (rdp_lobby.c), who typed a name is refused there, as long as the
 * display has not been talked to.
 */
#include "common/json.h"
#include "gateway/claim.h"
#include "gateway/login.h"
#include "gateway/rdp_info.h"
#include "gateway/rdp_lobby.h"
#include "gateway/rdp_nla.h"
#include "gateway/rdp_pdu.h"
#include "gateway/rdp_refusal.h"
#include "gateway/route.h"
#include "gateway/session.h"
#include "gateway/splice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_IN_CAP 32768
#define REPLAY_MS     10000
#define LINGER_MS     2000
#define LOBBY_WAIT_S  1 /* a desktop that starts is waited for in the lobby */

enum rdp_state {
	RDP_X224,
	RDP_TLS,
	RDP_NLA,
	RDP_INITIAL,
	RDP_ERECT,
	RDP_ATTACH,
	RDP_JOIN,
	RDP_INFO,
	RDP_ROUTE,
	RDP_REPLAY,
	RDP_ENDING,
};

static const char *const state_names[] = {"x224", "tls",  "nla",   "initial", "erect", "attach",
					  "join", "info", "route", "replay",  "ending"};

struct rdp_login {
	struct gw_conn *conn; /* owned */
	struct gw_stream client;
	struct loop_timer *deadline; /* owned */
	enum rdp_state state;
	bool late;
	struct rdp_connect_request cr;
	enum rdp_protocol selected; /* what the client was told */
	struct rdp_nla nla;
	struct rdp_client rc;
	uint16_t join[RDP_MAX_CHANNELS + 3]; /* channels not joined yet */
	size_t n_join;
	struct gw_credentials cred;
	bool by_ticket; /* a program's, which has words of its own for a refusal */
	bool informed;	/* all that is replayed is there */
	struct gw_route route;
	struct splice splice;
};

static void login_free(struct rdp_login *l)
{
	loop_timer_del(l->deadline);
	gw_stream_fini(&l->client);
	rdp_nla_fini(&l->nla);
	gw_route_fini(&l->route);
	splice_fini(&l->splice);
	explicit_bzero(&l->cred, sizeof(l->cred));
	explicit_bzero(&l->cr, sizeof(l->cr)); /* may hold a ticket */
	if (l->conn)
		gw_conn_free(l->conn);
	free(l);
}

static void end_login(void *holder)
{
	login_free(holder);
}

static void drop(struct rdp_login *l, const char *why, const char *detail)
{
	char at[512];

	snprintf(at, sizeof(at), "%s: %s", state_names[l->state], detail);
	gw_conn_log_drop(l->conn, why, at);
	login_free(l);
}

/* ---- refusing ---- */

/* Whether the lobby takes who is refused so. In a tunnel passwords are the claim's matter: only who
 * the broker knows goes on there. */
static bool lobby_wanted(const struct rdp_login *l, const struct gw_refusal *why)
{
	bool known = json_object_get(l->route.error, "resume") != NULL;

	return l->informed && !l->by_ticket && (known || !l->conn->claim) &&
	       strcmp(why->code, "display.differs") != 0 && rdp_lobby_open(l->conn, known);
}

/* True: l is gone, into the lobby. */
static bool to_lobby(struct rdp_login *l, const struct gw_refusal *why)
{
	struct rdp_lobby_guest g = {.conn = l->conn,
				    .client = &l->client,
				    .splice = &l->splice,
				    .rc = &l->rc,
				    .protocols = l->cr.protocols,
				    .user = l->cred.user,
				    .desktop = l->cred.desktop,
				    .why = why,
				    .error = l->route.error};
	struct err e = {0};

	if (!lobby_wanted(l, why))
		return false;
	if (rdp_lobby_start(&g, &e)) {
		log_warn("lobby.failed", "conn=%s why=%s", l->conn->id, LOG_Q(e.msg));
		return false;
	}
	l->conn = NULL;
	login_free(l);
	return true;
}

static void note_refusal(struct rdp_login *l, const struct gw_refusal *why)
{
	log_info("login.refused",
		 "conn=%s proto=rdp client=%s user=%s code=%s message=%s detail=%s", l->conn->id,
		 l->conn->peer, LOG_Q(l->cred.user), why->code, LOG_Q(why->message),
		 LOG_Q(why->detail));
	gw_conn_blame_login(l->conn, why->code);
	gw_route_fini(&l->route);
	splice_fini(&l->splice);
	l->state = RDP_ENDING;
	l->late = false;
	loop_timer_set(l->deadline, LINGER_MS);
}

static void refuse(struct rdp_login *l, const struct gw_refusal *why)
{
	struct buf b;
	int r;

	if (to_lobby(l, why))
		return;
	note_refusal(l, why);
	buf_init(&b, 1024);
	/* Also to clients that do not set RNS_UD_CS_SUPPORT_ERRINFO_PDU: FreeRDP's do not, and show
	 * it. */
	r = rdp_write_refusal(&b, rdp_refusal_info(why->code));
	if (!r)
		r = gw_stream_send(&l->client, buf_head(&b), b.len);
	buf_fini(&b);
	if (r || gw_stream_linger(&l->client))
		login_free(l);
}

/* ---- the client's messages, one at a time: 0, or negative errno ---- */

/* A client that cannot do what it must is told so, and nothing else. */
static int refuse_clear(struct rdp_login *l, enum rdp_protocol needed, struct buf *b)
{
	int r = rdp_write_needs(b, &l->cr, needed);

	if (!r)
		r = gw_stream_send(&l->client, buf_head(b), b->len);
	if (r)
		return r;
	if (needed == RDP_PROTOCOL_SSL)
		gw_conn_log_drop(l->conn, "no-tls", "the client does not offer TLS");
	else
		gw_conn_log_drop(l->conn, "no-nla", "the client does not offer NLA");
	l->state = RDP_ENDING;
	loop_timer_set(l->deadline, LINGER_MS);
	return 0;
}

/* Who has a ticket in the routing token needs NLA for nothing: the portal's files turn it off. */
static enum rdp_protocol select_protocol(enum gw_nla mode, const struct rdp_connect_request *cr)
{
	if (mode == GW_NLA_OFF)
		return RDP_PROTOCOL_SSL;
	if (cr->protocols & RDP_PROTOCOL_HYBRID)
		return RDP_PROTOCOL_HYBRID;
	return mode == GW_NLA_REQUIRE && strncmp(cr->token, "pt1_", 4) != 0 ? RDP_PROTOCOL_HYBRID
									    : RDP_PROTOCOL_SSL;
}

static int on_x224(struct rdp_login *l, const uint8_t *p, size_t n, struct err *e)
{
	struct buf b;
	int r = rdp_parse_connect_request(p, n, &l->cr);

	if (r)
		return r;
	buf_consume(&l->client.in, n);
	l->selected = select_protocol(l->conn->w->conf->nla_mode, &l->cr);
	buf_init(&b, 64);
	if (!(l->cr.protocols & l->selected)) {
		r = refuse_clear(l, l->selected, &b);
	} else {
		r = rdp_write_connect_confirm(&b, &l->cr, l->selected);
		if (!r)
			r = gw_stream_send(&l->client, buf_head(&b), b.len);
		if (!r)
			r = gw_stream_tls(&l->client, l->conn->w->public_tls[0], TLS_SERVER, e);
		l->state = RDP_TLS;
	}
	buf_fini(&b);
	return r;
}

/* Answers the client and notes the answer: the display will give the same. */
static int answer(struct rdp_login *l, struct buf *b)
{
	int r = buf_append(&l->splice.expect, buf_head(b), b->len);

	return r ? r : gw_stream_send(&l->client, buf_head(b), b->len);
}

static int on_initial(struct rdp_login *l, const uint8_t *p, size_t n)
{
	struct buf b;
	int r = rdp_parse_connect_initial(p, n, l->selected, &l->rc);

	if (r)
		return r;
	rdp_set_selected_tls(buf_head(&l->splice.replay), &l->rc);
	l->n_join = l->rc.skip_join ? 0 : rdp_channels_to_join(&l->rc, l->join);
	buf_init(&b, 1024);
	r = rdp_write_connect_response(&b, &l->rc, l->cr.protocols);
	if (!r)
		r = answer(l, &b);
	buf_fini(&b);
	l->state = RDP_ERECT;
	return r;
}

static int on_attach(struct rdp_login *l, const uint8_t *p, size_t n)
{
	struct buf b;
	int r = rdp_parse_attach_user(p, n);

	if (r)
		return r;
	buf_init(&b, 64);
	r = rdp_write_attach_confirm(&b, l->rc.user_channel);
	if (!r)
		r = answer(l, &b);
	buf_fini(&b);
	l->state = l->n_join ? RDP_JOIN : RDP_INFO;
	return r;
}

static int on_join(struct rdp_login *l, const uint8_t *p, size_t n)
{
	uint16_t user, channel;
	struct buf b;
	size_t i = 0;
	int r = rdp_parse_channel_join(p, n, &user, &channel);

	while (i < l->n_join && l->join[i] != channel)
		i++;
	if (r || user != l->rc.user_channel || i == l->n_join)
		return -EPROTO;
	l->join[i] = l->join[--l->n_join];
	buf_init(&b, 64);
	r = rdp_write_join_confirm(&b, user, channel);
	if (!r)
		r = answer(l, &b);
	buf_fini(&b);
	if (!l->n_join)
		l->state = RDP_INFO;
	return r;
}

/* A ticket in the routing token wins over what was typed; a tunnel's claim must agree. NLA has said
 * it all, and what else is said may not be another's. */
static int take_credentials(struct rdp_login *l, const struct rdp_info *i)
{
	int r;

	if (l->selected == RDP_PROTOCOL_HYBRID)
		return strncmp(l->cr.token, "pt1_", 4) != 0 ||
				       !strcmp(l->cr.token, l->cred.ticket.bytes)
			       ? 0
			       : -EACCES;
	r = gw_credentials_user(&l->cred, i->user);
	if (r)
		return r;
	if (!strncmp(l->cr.token, "pt1_", 4))
		r = secret_set(&l->cred.ticket, l->cr.token, strlen(l->cr.token));
	else
		r = secret_set(&l->cred.password, i->password.bytes, i->password.len);
	return r ? r : gw_claim_settle(l->conn->claim, &l->cred);
}

static int start_route(struct rdp_login *l);

static int on_info(struct rdp_login *l, const uint8_t *p, size_t n)
{
	struct rdp_info i;
	uint8_t *kept;
	int r = rdp_parse_info(p, n, &l->rc, &i);

	if (r)
		return r;
	kept = buf_reserve(&l->splice.replay, n);
	if (!kept)
		return -ENOBUFS;
	memcpy(kept, p, n);
	rdp_scrub_info(kept, &i);
	buf_commit(&l->splice.replay, n);
	l->informed = true;
	explicit_bzero(buf_head(&l->client.in) + i.password_at, i.password_bytes);
	r = take_credentials(l, &i);
	secret_wipe(&i.password);
	l->by_ticket =
		l->cred.ticket.len || gw_is_ticket(l->cred.password.bytes, l->cred.password.len);
	if (!r && !l->cred.password.len && !l->by_ticket && rdp_lobby_open(l->conn, false))
		return -ENOKEY; /* nobody tried anything: there is nothing to ask the broker */
	return r ? r : start_route(l);
}

static int on_pdu(struct rdp_login *l, const uint8_t *p, size_t n, struct err *e)
{
	enum rdp_state was = l->state;
	int r;

	if (was == RDP_X224)
		return on_x224(l, p, n, e);
	if (was != RDP_INFO && buf_append(&l->splice.replay, p, n))
		return -ENOBUFS;
	if (was == RDP_INITIAL) {
		r = on_initial(l, p, n);
	} else if (was == RDP_ERECT) {
		r = rdp_parse_erect_domain(p, n);
		l->state = RDP_ATTACH;
	} else if (was == RDP_ATTACH) {
		r = on_attach(l, p, n);
	} else if (was == RDP_JOIN) {
		r = on_join(l, p, n);
	} else {
		r = on_info(l, p, n);
	}
	if (!r)
		buf_consume(&l->client.in, n);
	return r;
}

static size_t size_cap(enum rdp_state s)
{
	switch (s) {
	case RDP_X224:
		return RDP_MAX_CR;
	case RDP_INITIAL:
		return RDP_MAX_INITIAL;
	case RDP_INFO:
		return RDP_MAX_INFO;
	default:
		return RDP_MAX_DOMAIN;
	}
}

/* ---- the desktop ---- */

static void login_step(void *arg);

static int start_route(struct rdp_login *l)
{
	json_t *extra = json_pack("{s:{s:I, s:I}}", "rdp", "requested_protocols",
				  (json_int_t)l->cr.protocols, "selected_protocol",
				  (json_int_t)RDP_PROTOCOL_SSL);
	int r;

	if (!extra)
		return -ENOMEM;
	l->state = RDP_ROUTE;
	if (!l->by_ticket && rdp_lobby_open(l->conn, true))
		l->cred.wait_s = LOBBY_WAIT_S;
	loop_timer_set(l->deadline, -1); /* the route has its own */
	r = gw_route_start(&l->route, l->conn, &l->cred, extra, login_step, l);
	secret_wipe(&l->cred.password);
	secret_wipe(&l->cred.ticket);
	return r;
}

/* Returns false when l is gone. */
static bool step_route(struct rdp_login *l)
{
	struct gw_refusal why;
	int r = gw_route_poll(&l->route, &why);

	if (r == -EAGAIN)
		return true;
	if (!r) {
		l->state = RDP_REPLAY;
		loop_timer_set(l->deadline, REPLAY_MS);
		r = splice_start(&l->splice, &l->route.host.s);
		if (!r)
			return true;
		snprintf(why.code, sizeof(why.code), "host.unreachable");
		why.message[0] = why.detail[0] = '\0';
	}
	refuse(l, &why);
	return false;
}

static void step_replay(struct rdp_login *l)
{
	struct gw_refusal why = {.code = "display.differs",
				 .message = "The desktop's display does not answer as expected."};
	int r = splice_poll(&l->splice, &l->route.host.s, why.detail, sizeof(why.detail));

	if (r == -EAGAIN)
		return;
	if (r) {
		refuse(l, &why);
		return;
	}
	if (gw_session_start(l->conn, &l->client, &l->route.host.s, false)) {
		drop(l, "memory", "no session");
		return;
	}
	l->conn = NULL; /* the session's */
	login_free(l);
}

/* What is no login whatever the broker says. */
static bool refuse_at_once(struct rdp_login *l, int r, size_t n)
{
	struct gw_refusal why = {.code = "login.failed"};

	if (r == -ENOKEY)
		snprintf(why.code, sizeof(why.code), "login.needed");
	else if (r == -EACCES)
		snprintf(why.detail, sizeof(why.detail), "not who the tunnel said");
	else if (r != -EINVAL && r != -ENAMETOOLONG && r != -E2BIG)
		return false; /* the last three: names and passwords nobody can have */
	if (l->informed)
		buf_consume(&l->client.in, n);
	refuse(l, &why);
	return true;
}

/* Once TLS is up. Returns false when l is gone or not further. */
static bool step_tls(struct rdp_login *l)
{
	if (!gw_stream_ready(&l->client))
		return false;
	l->state = RDP_INITIAL;
	if (l->selected != RDP_PROTOCOL_HYBRID)
		return true;
	l->state = RDP_NLA;
	if (!rdp_nla_start(&l->nla, l->conn, &l->client, login_step, l))
		return true;
	l->client.error = -ENOMEM;
	return false;
}

/* 0 when the client has logged in; -EAGAIN; -ECANCELED when l is gone or ending. */
static int step_nla(struct rdp_login *l)
{
	struct gw_refusal why;
	int r = rdp_nla_step(&l->nla, &l->cred, &why);

	if (!r || r == -EAGAIN) {
		if (!r)
			rdp_nla_fini(&l->nla);
		l->state = r ? RDP_NLA : RDP_INITIAL;
		return r;
	}
	if (r == -EACCES) {
		note_refusal(l, &why);
		if (gw_stream_linger(&l->client))
			login_free(l);
		return -ECANCELED;
	}
	drop(l,
	     r == -EPIPE      ? "closed"
	     : r == -EMSGSIZE ? "oversize"
			      : "protocol",
	     r == -EPIPE ? "the client hung up" : strerror(-r));
	return -ECANCELED;
}

/* Reads what the client has said so far. Returns false when l is gone. */
static bool step_client(struct rdp_login *l)
{
	struct err e = {0};

	while (l->state < RDP_ROUTE) {
		size_t n;
		int r;

		if (l->state == RDP_TLS && !step_tls(l))
			return true;
		if (l->state == RDP_NLA) {
			r = step_nla(l);
			if (r)
				return r == -EAGAIN;
		}
		r = rdp_frame(buf_head(&l->client.in), l->client.in.len, size_cap(l->state), &n);
		if (r == -EAGAIN && !l->client.eof && !gw_stream_full(&l->client))
			return true;
		if (r == -EAGAIN) {
			drop(l, "closed", "the client hung up");
			return false;
		}
		if (!r)
			r = on_pdu(l, buf_head(&l->client.in), n, &e);
		if (refuse_at_once(l, r, n))
			return false;
		if (r) {
			drop(l, r == -EMSGSIZE ? "oversize" : "protocol",
			     e.msg[0] ? e.msg : strerror(-r));
			return false;
		}
	}
	return true;
}

static void login_step(void *arg)
{
	struct rdp_login *l = arg;

	if (l->late) {
		drop(l, "deadline", "the login took too long");
		return;
	}
	if (l->state == RDP_ENDING) {
		if (gw_stream_linger(&l->client))
			login_free(l);
		return;
	}
	if (l->client.error || (l->client.eof && l->state >= RDP_ROUTE)) {
		drop(l, l->state == RDP_TLS ? "tls" : "closed",
		     l->client.error ? l->client.err.msg : "the client hung up");
		return;
	}
	if (!step_client(l))
		return;
	if (l->state == RDP_ROUTE && !step_route(l))
		return;
	if (l->state == RDP_REPLAY)
		step_replay(l);
	else if (l->state == RDP_ENDING && gw_stream_linger(&l->client))
		login_free(l);
}

static void on_deadline(void *arg)
{
	struct rdp_login *l = arg;

	if (l->state == RDP_ENDING) {
		login_free(l);
		return;
	}
	l->late = true;
	login_step(l);
}

void rdp_login_start(struct gw_conn *conn, int fd)
{
	struct rdp_login *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		gw_conn_free(conn);
		return;
	}
	l->conn = conn;
	conn->end = end_login;
	conn->holder = l;
	gw_stream_none(&l->client);
	rdp_nla_none(&l->nla);
	gw_route_none(&l->route);
	splice_init(&l->splice);
	sock_nodelay(fd);
	l->deadline = loop_timer_add(conn->w->loop, gw_conn_left(conn), on_deadline, l);
	if (!l->deadline ||
	    gw_stream_init(&l->client, conn->w->loop, fd, CLIENT_IN_CAP, login_step, l)) {
		close(fd);
		login_free(l);
	}
}
