/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lobby; see rdp_lobby.h. Theory of operation:
 *
 *   ENTER   pane-lobby has been told who comes; it gives the descriptor of its display
 *   GREET   the client's messages are replayed to that display, as they are to a desktop's
 * (splice.c) LIVE    PDUs go to and fro, whole ones only. What the user types comes by the link,
 * becomes a route to the desktop, and what the broker says to it is shown LEAVE   the client was
 * told Deactivate All ([MS-RDPBCGR] 1.3.1.3), which to it is a server about to begin anew: the
 * desktop's Demand Active follows, licensing left out, as that was done in the lobby. What the
 * client still says to the lobby is dropped up to its Confirm Active; then there is a session like
 * any other
 *
 * That works as the lobby's display uses no virtual channel: to the client all of them are as new.
 * The desktop is at the point of its Demand Active before the client hears of anything.
 */
#include "gateway/rdp_lobby.h"
#include "common/json.h"
#include "gateway/lobby_link.h"
#include "gateway/rdp_pdu.h"
#include "gateway/rdp_refusal.h"
#include "gateway/route.h"
#include "gateway/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTER_MS   5000 /* clients give up after nine seconds without an answer */
#define GREET_MS   5000
#define LIVE_MS	   600000
#define LEAVE_MS   10000
#define LINGER_MS  2000
#define AGAIN_MS   500	/* between two questions about a desktop that starts */
#define TROUBLE_MS 3000 /* after a host or broker that did not answer */
#define ASK_WAIT_S 3
#define DESK_MS	   10000 /* a desktop's display, from the first byte to its Demand Active */

#define PDU_CAP	   (128 * 1024)
#define OUT_ENOUGH (24 * 1024) /* one more PDU of any size fits into a stream's queue then */
#define TRIES	   6	       /* wrong passwords, one connection */
#define STRANGERS  4	       /* places of one source and worker for who is not known */

enum lobby_state {
	LOBBY_ENTER,
	LOBBY_GREET,
	LOBBY_LIVE,
	LOBBY_LEAVE,
	LOBBY_ENDING
};

struct rdp_lobby {
	struct gw_conn *conn; /* owned */
	struct gw_stream client, room;
	struct lobby_link link;
	struct loop_timer *deadline, *again; /* owned */
	enum lobby_state state;
	bool late;
	uint32_t protocols; /* the client's mask */
	uint32_t share;	    /* of the room's Demand Active */
	int unconfirmed; /* Demand Actives of the room the client has not answered; -1: none came */
	struct splice kept; /* as the client said it and was answered */
	struct splice room_splice, desk_splice;
	struct gw_credentials cred;
	struct gw_route route;
	bool asking;	/* a route is under way */
	bool replaying; /* it is there, and the desktop's display catches up */
	bool licensed;	/* the desktop's licensing has been taken off */
	int failures;
	char code[48]; /* of the refusal shown last */
};

static const struct gw_refusal differs = {
	.code = "display.differs", .message = "The desktop's display does not answer as expected."};

/* ---- life ---- */

static void step(void *arg);

static void lobby_free(struct rdp_lobby *l)
{
	loop_timer_del(l->deadline);
	loop_timer_del(l->again);
	lobby_link_close(&l->link);
	gw_stream_fini(&l->client);
	gw_stream_fini(&l->room);
	gw_route_fini(&l->route);
	splice_fini(&l->kept);
	splice_fini(&l->room_splice);
	splice_fini(&l->desk_splice);
	explicit_bzero(&l->cred, sizeof(l->cred));
	if (l->conn)
		gw_conn_free(l->conn);
	free(l);
}

static void end_lobby(void *holder)
{
	lobby_free(holder);
}

static void drop(struct rdp_lobby *l, const char *why, const char *detail)
{
	gw_conn_log_drop(l->conn, why, detail);
	lobby_free(l);
}

/* Ends it in words the client shows; l may be gone. */
static void farewell(struct rdp_lobby *l, uint32_t info, const char *why)
{
	bool greeted = l->unconfirmed >= 0;
	struct buf b;
	int r;

	log_info("lobby.end", "conn=%s client=%s user=%s why=%s code=%s", l->conn->id,
		 l->conn->peer, LOG_Q(l->cred.user), why, l->code);
	lobby_link_close(&l->link);
	gw_stream_fini(&l->room);
	gw_stream_none(&l->room);
	gw_route_fini(&l->route);
	l->asking = l->replaying = false;
	l->state = LOBBY_ENDING;
	gw_conn_lobby(l->conn, GW_NO_LOBBY);
	loop_timer_set(l->again, -1);
	loop_timer_set(l->deadline, LINGER_MS);
	buf_init(&b, 1024);
	r = greeted ? rdp_write_error_info(&b, info) : rdp_write_refusal(&b, info);
	if (!r)
		r = gw_stream_send(&l->client, buf_head(&b), b.len);
	buf_fini(&b);
	if (r || gw_stream_linger(&l->client))
		lobby_free(l);
}

/* ---- what is shown ---- */

static json_t *show_form(const char *message, const char *user, bool code)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "show", "form", "message", message, "user", user,
			 "code", code);
}

static const char *sentence(const struct gw_refusal *why)
{
	if (!strcmp(why->code, "login.needed"))
		return "";
	if (why->message[0])
		return why->message;
	return !strcmp(why->code, "login.failed") ? "User name or password is wrong."
						  : "That did not work. Try again in a moment.";
}

static json_t *show_of(const struct rdp_lobby *l, const struct gw_refusal *why, json_t *error)
{
	json_t *names = json_object_get(error, "reasons");
	const char *said = json_string_value(json_object_get(error, "message"));

	if (!strcmp(why->code, "desktop.choose") && l->cred.resume[0] && json_array_size(names))
		return json_pack("{s:s, s:s, s:O}", "show", "choose", "message",
				 "Choose a desktop.", "desktops", names);
	if (l->cred.resume[0] && strcmp(why->code, "desktop.choose"))
		return json_pack("{s:s, s:s, s:I}", "show", "wait", "message",
				 said ? said : sentence(why), "percent",
				 (json_int_t)json_integer_value(json_object_get(error, "percent")));
	return show_form(sentence(why), l->cred.user, !strncmp(why->code, "totp.", 5));
}

/* Whether asking again by itself may help: the broker knows who it is, or did not answer. */
static int again_ms(const struct rdp_lobby *l, const char *code)
{
	if (!l->cred.resume[0])
		return -1;
	if (!strcmp(code, "desktop.starting"))
		return AGAIN_MS;
	return !strcmp(code, "broker.down") || !strncmp(code, "host.", 5) ||
			       !strncmp(code, "display.", 8)
		       ? TROUBLE_MS
		       : -1;
}

static void take_resume(struct rdp_lobby *l, const char *code, json_t *error)
{
	const char *resume = json_string_value(json_object_get(error, "resume"));
	bool ours = !strcmp(code, "broker.down") || !strncmp(code, "host.", 5) ||
		    !strncmp(code, "display.", 8);

	if (resume && strlen(resume) < sizeof(l->cred.resume)) {
		memcpy(l->cred.resume, resume, strlen(resume) + 1);
		gw_conn_lobby(l->conn, GW_LOBBY_KNOWN);
	} else if (!ours) { /* what the broker refused is not asked again */
		explicit_bzero(l->cred.resume, sizeof(l->cred.resume));
	}
}

/* Shows the refusal; 0, or negative errno when the lobby cannot be told. */
static int show(struct rdp_lobby *l, const struct gw_refusal *why, json_t *error)
{
	bool news = strcmp(l->code, why->code) != 0;
	int r;

	log_event(news ? LOG_INFO : LOG_DEBUG, "lobby.show",
		  "conn=%s client=%s user=%s code=%s message=%s detail=%s", l->conn->id,
		  l->conn->peer, LOG_Q(l->cred.user), why->code, LOG_Q(why->message),
		  LOG_Q(why->detail));
	snprintf(l->code, sizeof(l->code), "%s", why->code);
	take_resume(l, why->code, error);
	r = lobby_link_say(&l->link, show_of(l, why, error));
	if (!r)
		loop_timer_set(l->again, again_ms(l, why->code));
	return r;
}

/* ---- the way to the desktop ---- */

static int ask(struct rdp_lobby *l)
{
	json_t *extra =
		json_pack("{s:{s:I, s:I}}", "rdp", "requested_protocols", (json_int_t)l->protocols,
			  "selected_protocol", (json_int_t)RDP_PROTOCOL_SSL);
	int r;

	if (!extra)
		return -ENOMEM;
	gw_route_fini(&l->route);
	loop_timer_set(l->again, -1);
	l->asking = true;
	l->cred.wait_s = ASK_WAIT_S;
	r = gw_route_start(&l->route, l->conn, &l->cred, extra, step, l);
	secret_wipe(&l->cred.password);
	return r;
}

/* Returns false when l is gone, as do all that follow. */
static bool refused(struct rdp_lobby *l, const struct gw_refusal *why)
{
	json_t *error = json_incref(l->route.error);
	int r;

	l->asking = l->replaying = false;
	gw_route_fini(&l->route);
	gw_conn_blame_login(l->conn, why->code);
	if (!strcmp(why->code, "login.failed"))
		l->failures++;
	r = show(l, why, error);
	json_decref(error);
	if (!r && l->failures < TRIES)
		return true;
	farewell(l, rdp_refusal_info(why->code), r ? "link" : "tries");
	return false;
}

static void on_again(void *arg)
{
	struct rdp_lobby *l = arg;

	if (l->replaying)
		(void)refused(l, &differs);
	else if (!l->asking && ask(l))
		drop(l, "memory", "no route");
}

/* A splice of what the client said and was answered, to be had again and again. */
static int copy_kept(struct splice *to, const struct splice *kept)
{
	int r;

	splice_fini(to);
	splice_init(to);
	r = buf_append(&to->replay, buf_head(&kept->replay), kept->replay.len);
	return r ? r : buf_append(&to->expect, buf_head(&kept->expect), kept->expect.len);
}

static int arm_desk(struct rdp_lobby *l)
{
	int r = copy_kept(&l->desk_splice, &l->kept);

	l->replaying = true;
	l->licensed = false;
	loop_timer_set(l->again, DESK_MS);
	return r ? r : splice_start(&l->desk_splice, &l->route.host.s);
}

/* The desktop's display answers as ours did, licenses, and demands: 0 when it has. */
static int poll_desk(struct rdp_lobby *l, char *why, size_t size)
{
	struct gw_stream *host = &l->route.host.s;
	uint32_t share;
	size_t n;
	int r = splice_poll(&l->desk_splice, host, why, size);

	if (r)
		return r;
	r = rdp_any_frame(buf_head(&host->in), host->in.len, &n);
	if (!r && !l->licensed) {
		if (!rdp_is_license(buf_head(&host->in), n))
			return -EPROTO;
		buf_consume(&host->in, n);
		l->licensed = true;
		r = rdp_any_frame(buf_head(&host->in), host->in.len, &n);
	}
	if (r)
		return r == -EAGAIN && (host->error || host->eof) ? -ECONNRESET : r;
	return rdp_share_kind(buf_head(&host->in), n, &share) == RDP_SHARE_DEMAND_ACTIVE ? 0
											 : -EPROTO;
}

static bool step_route(struct rdp_lobby *l)
{
	struct gw_refusal why = differs;
	int r = 0;

	if (!l->replaying) {
		r = gw_route_poll(&l->route, &why);
		if (r == -EAGAIN)
			return true;
		if (r)
			return refused(l, &why);
		r = arm_desk(l);
	}
	if (!r)
		r = poll_desk(l, why.detail, sizeof(why.detail));
	return !r || r == -EAGAIN ? true : refused(l, &why);
}

/* ---- what the lobby says ---- */

static int take_try(struct rdp_lobby *l, json_t *o)
{
	const char *user = json_string_value(json_object_get(o, "user"));
	const char *password = json_string_value(json_object_get(o, "password"));

	if (!user || !password)
		return -EPROTO;
	explicit_bzero(l->cred.resume, sizeof(l->cred.resume));
	if (!user[0] || gw_credentials_user(&l->cred, user) ||
	    secret_set(&l->cred.password, password, strlen(password)))
		return -EINVAL;
	return ask(l);
}

static int take_choice(struct rdp_lobby *l, const char *name)
{
	if (!l->cred.resume[0] || strlen(name) >= sizeof(l->cred.desktop))
		return -EPROTO;
	memcpy(l->cred.desktop, name, strlen(name) + 1);
	return ask(l);
}

static bool take_message(struct rdp_lobby *l, json_t *m)
{
	json_t *t = json_object_get(m, "try");
	const char *name = json_string_value(json_object_get(m, "choose"));
	int r = -EPROTO;

	if (json_is_true(json_object_get(m, "cancel"))) {
		farewell(l, RDP_ERR_BY_USER, "cancelled");
		return false;
	}
	if (l->state == LOBBY_LIVE && !l->asking && (t || name))
		r = t ? take_try(l, t) : take_choice(l, name);
	else if (l->asking)
		return true; /* it did not see yet that somebody asks already */
	if (r == -EINVAL)    /* a name or password nobody can have */
		return refused(l, &(struct gw_refusal){.code = "login.failed"});
	if (r)
		farewell(l, RDP_ERR_REDIRECTING, "link");
	return !r;
}

static void wipe_password(json_t *m)
{
	json_t *p = json_object_get(json_object_get(m, "try"), "password");

	if (json_is_string(p)) /* jansson gives its own bytes, as it says */
		explicit_bzero((char *)(uintptr_t)json_string_value(p), json_string_length(p));
}

static bool step_link(struct rdp_lobby *l)
{
	while (l->link.msg && l->state != LOBBY_ENTER) {
		json_t *m = lobby_link_take(&l->link);
		bool here = take_message(l, m);

		wipe_password(m);
		json_decref(m);
		if (!here)
			return false;
	}
	if (!l->link.ended || l->state > LOBBY_LIVE)
		return true;
	farewell(l, l->unconfirmed >= 0 ? RDP_ERR_LOGON_TIMEOUT : rdp_refusal_info(l->code),
		 l->unconfirmed >= 0 ? "over" : "full");
	return false;
}

/* ---- PDUs ---- */

typedef void (*see_fn)(struct rdp_lobby *l, const uint8_t *p, size_t n);

static void see_room(struct rdp_lobby *l, const uint8_t *p, size_t n)
{
	uint32_t share;

	if (rdp_share_kind(p, n, &share) != RDP_SHARE_DEMAND_ACTIVE)
		return;
	l->share = share;
	l->unconfirmed = l->unconfirmed < 0 ? 1 : l->unconfirmed + 1;
}

static void see_client(struct rdp_lobby *l, const uint8_t *p, size_t n)
{
	uint32_t share;

	if (rdp_share_kind(p, n, &share) == RDP_SHARE_CONFIRM_ACTIVE && l->unconfirmed > 0)
		l->unconfirmed--;
}

/* Moves whole PDUs. */
static int pump(struct rdp_lobby *l, struct gw_stream *from, struct gw_stream *to, see_fn see)
{
	int r = 0;
	size_t n;

	while (!r && to->out.len < OUT_ENOUGH) {
		const uint8_t *p = buf_head(&from->in);

		r = rdp_any_frame(p, from->in.len, &n);
		if (r == -EAGAIN && from->in.len < from->in.cap)
			return 0;
		if (!r && see)
			see(l, p, n);
		if (!r)
			r = gw_stream_send(to, p, n);
		if (!r) {
			buf_consume(&from->in, n);
			gw_stream_pull(from);
		}
	}
	return r;
}

static bool step_live(struct rdp_lobby *l)
{
	const char *bad = "the client's PDUs";
	int r = pump(l, &l->client, &l->room, see_client);

	if (!r) {
		bad = "the lobby's PDUs";
		r = pump(l, &l->room, &l->client, see_room);
	}
	if (!r && (l->room.error || l->room.eof)) { /* its link ends, too, but may tell later */
		farewell(l, RDP_ERR_LOGON_TIMEOUT, "over");
		return false;
	}
	if (!r)
		return true;
	drop(l, "protocol", bad);
	return false;
}

/* ---- leaving ---- */

static bool may_leave(const struct rdp_lobby *l)
{
	struct gw_stream host = l->route.host.s;
	uint32_t share;
	size_t n;

	return l->replaying && l->licensed && l->unconfirmed == 0 &&
	       !rdp_any_frame(buf_head(&host.in), host.in.len, &n) &&
	       rdp_share_kind(buf_head(&host.in), n, &share) == RDP_SHARE_DEMAND_ACTIVE;
}

static bool leave(struct rdp_lobby *l)
{
	struct buf b;
	int r;

	log_info("lobby.leave", "conn=%s user=%s desktop=%s", l->conn->id, LOG_Q(l->conn->user),
		 LOG_Q(l->conn->desktop));
	lobby_link_close(&l->link);
	gw_stream_fini(&l->room);
	gw_stream_none(&l->room);
	l->state = LOBBY_LEAVE;
	gw_conn_lobby(l->conn, GW_NO_LOBBY);
	loop_timer_set(l->deadline, LEAVE_MS);
	buf_init(&b, 64);
	r = rdp_write_deactivate_all(&b, l->share);
	if (!r)
		r = gw_stream_send(&l->client, buf_head(&b), b.len);
	buf_fini(&b);
	if (!r)
		return true;
	drop(l, "memory", "leaving the lobby");
	return false;
}

/* Drops what the client says to the lobby: 0 at its Confirm Active, -EAGAIN, or -EPROTO. */
static int skip_to_confirm(struct rdp_lobby *l)
{
	struct buf *in = &l->client.in;
	uint32_t share;
	size_t n;
	int r;

	for (;;) {
		r = rdp_any_frame(buf_head(in), in->len, &n);
		if (r == -EAGAIN && in->len == in->cap)
			return -EPROTO;
		if (r)
			return r;
		if (rdp_share_kind(buf_head(in), n, &share) == RDP_SHARE_CONFIRM_ACTIVE)
			return 0;
		buf_consume(in, n);
		gw_stream_pull(&l->client);
	}
}

static void step_leave(struct rdp_lobby *l)
{
	int r = pump(l, &l->route.host.s, &l->client, NULL);

	if (!r)
		r = skip_to_confirm(l);
	if (r == -EAGAIN && !l->route.host.s.error && !l->route.host.s.eof)
		return;
	if (!r && l->client.out.len)
		return;
	if (!r && !gw_session_start(l->conn, &l->client, &l->route.host.s, false)) {
		l->conn = NULL; /* the session's */
		lobby_free(l);
		return;
	}
	drop(l, "protocol", "on the way from the lobby to the desktop");
}

/* ---- steps ---- */

/* The display's descriptor is there: 0; -EAGAIN; or it will not come. */
static int take_room(struct rdp_lobby *l)
{
	json_t *m;
	int fd, r;

	if (!l->link.msg)
		return l->link.ended ? -ECONNREFUSED : -EAGAIN;
	fd = steal_fd(&l->link.passed);
	m = lobby_link_take(&l->link);
	r = json_is_true(json_object_get(m, "ok")) && fd >= 0 ? 0 : -ECONNREFUSED;
	json_decref(m);
	if (!r)
		r = gw_stream_init(&l->room, l->conn->w->loop, fd, PDU_CAP, step, l);
	if (r) {
		cleanup_close_fn(&fd);
		return r;
	}
	l->state = LOBBY_GREET;
	loop_timer_set(l->deadline, GREET_MS);
	return splice_start(&l->room_splice, &l->room);
}

static bool step_enter(struct rdp_lobby *l)
{
	char why[160] = "the lobby took nobody in";
	int r = l->state == LOBBY_ENTER ? take_room(l) : 0;

	if (!r)
		r = splice_poll(&l->room_splice, &l->room, why, sizeof(why));
	if (r == -EAGAIN)
		return true;
	if (!r) {
		l->state = LOBBY_LIVE;
		loop_timer_set(l->deadline, LIVE_MS);
		return true;
	}
	log_warn("lobby.failed", "conn=%s why=%s", l->conn->id, LOG_Q(why));
	farewell(l, rdp_refusal_info(l->code), "failed");
	return false;
}

static void on_late(struct rdp_lobby *l)
{
	l->late = false;
	if (l->state == LOBBY_ENDING)
		lobby_free(l);
	else if (l->state == LOBBY_LEAVE)
		drop(l, "deadline", "on the way from the lobby to the desktop");
	else
		farewell(l,
			 l->state == LOBBY_LIVE ? RDP_ERR_LOGON_TIMEOUT : rdp_refusal_info(l->code),
			 "late");
}

static void step(void *arg)
{
	struct rdp_lobby *l = arg;

	if (l->late) {
		on_late(l);
		return;
	}
	if (l->state == LOBBY_ENDING) {
		if (gw_stream_linger(&l->client))
			lobby_free(l);
		return;
	}
	if (l->client.error || l->client.eof) {
		drop(l, "closed", l->client.error ? l->client.err.msg : "the client hung up");
		return;
	}
	if (l->state <= LOBBY_GREET && !step_enter(l))
		return;
	if (!step_link(l))
		return;
	if (l->state == LOBBY_LIVE && !step_live(l))
		return;
	if (l->state <= LOBBY_LIVE && l->asking && !step_route(l))
		return;
	if (l->state == LOBBY_LIVE && may_leave(l) && !leave(l))
		return;
	if (l->state == LOBBY_LEAVE)
		step_leave(l);
}

static void on_deadline(void *arg)
{
	struct rdp_lobby *l = arg;

	l->late = true;
	step(l);
}

/* ---- coming ---- */

bool rdp_lobby_open(const struct gw_conn *conn, bool known)
{
	uint64_t source = gw_limits_source(conn->peer);
	int all = 0, strangers = 0, neighbours = 0;

	if (!conn->w->conf->lobby || conn->w->draining)
		return false;
	for (const struct gw_conn *c = conn->w->conns; c; c = c->next) {
		bool strange = c->lobby == GW_LOBBY_STRANGER;

		all += c->lobby != GW_NO_LOBBY;
		strangers += strange;
		neighbours += strange && gw_limits_source(c->peer) == source;
	}
	/* Strangers leave half of it to those who wait for their desktops. */
	return all < conn->w->conf->lobby_max &&
	       (known ||
		(strangers < (conn->w->conf->lobby_max + 1) / 2 && neighbours < STRANGERS));
}

static json_t *hello(const struct rdp_lobby_guest *g)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I}", "conn", g->conn->id, "client",
			 g->conn->peer, "user", g->user, "width", g->rc->width, "height",
			 g->rc->height, "layout", (json_int_t)g->rc->layout, "requested_protocols",
			 (json_int_t)g->protocols, "selected_protocol",
			 (json_int_t)RDP_PROTOCOL_SSL);
}

static int prepare(struct rdp_lobby *l, const struct rdp_lobby_guest *g, struct err *e)
{
	const struct gw_worker *w = g->conn->w;
	int r = lobby_link_open(&l->link, w->loop, w->conf->lobby, step, l, e);

	if (r)
		return r;
	l->protocols = g->protocols;
	snprintf(l->cred.user, sizeof(l->cred.user), "%s", g->user);
	snprintf(l->cred.desktop, sizeof(l->cred.desktop), "%s", g->desktop);
	l->deadline = loop_timer_add(w->loop, ENTER_MS, on_deadline, l);
	l->again = loop_timer_add(w->loop, -1, on_again, l);
	if (!l->deadline || !l->again)
		return -ENOMEM;
	r = copy_kept(&l->room_splice, g->splice);
	return r ? r : lobby_link_say(&l->link, hello(g));
}

/* The client's connection and its bytes, from the login's stream to ours. */
static int move_client(struct rdp_lobby *l, struct gw_stream *from)
{
	struct tlsconn c;
	int r;

	gw_stream_detach(from, &c);
	r = gw_stream_init(&l->client, l->conn->w->loop, c.fd, PDU_CAP, step, l);
	if (r) {
		tlsconn_fini(&c);
		return r;
	}
	l->client.c = c;
	return buf_append(&l->client.in, buf_head(&from->in), from->in.len);
}

static struct rdp_lobby *lobby_new(void)
{
	struct rdp_lobby *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	gw_stream_none(&l->client);
	gw_stream_none(&l->room);
	lobby_link_none(&l->link);
	gw_route_none(&l->route);
	splice_init(&l->kept);
	splice_init(&l->room_splice);
	splice_init(&l->desk_splice);
	l->unconfirmed = -1;
	return l;
}

int rdp_lobby_start(const struct rdp_lobby_guest *g, struct err *e)
{
	struct rdp_lobby *l = lobby_new();
	int r = l ? prepare(l, g, e) : -ENOMEM;

	if (r) {
		if (l)
			lobby_free(l);
		return r;
	}
	l->conn = g->conn;
	l->conn->end = end_lobby;
	l->conn->holder = l;
	gw_conn_lobby(l->conn, GW_LOBBY_STRANGER);
	gw_conn_blame_login(l->conn, g->why->code);
	l->failures = !strcmp(g->why->code, "login.failed");
	l->kept = *g->splice;
	splice_init(g->splice);
	log_info("lobby.start", "conn=%s client=%s user=%s code=%s", l->conn->id, l->conn->peer,
		 LOG_Q(l->cred.user), g->why->code);
	r = show(l, g->why, g->error);
	if (move_client(l, g->client) || r)
		drop(l, "memory", "entering the lobby");
	return 0;
}
