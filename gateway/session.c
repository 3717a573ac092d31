/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sessions; see session.h. A live session owns the identity, the relay and nothing else: no buffer,
 * no timer (but for API requests, whose idleness is bounded).
 */
#include "gateway/session.h"
#include "common/relay.h"
#include "gateway/rdp_framing.h"
#include "gateway/rdp_pdu.h"
#include "gateway/stats.h"

#include <errno.h>
#include <stdlib.h>

#define API_IDLE_MS 120000
/* A dead peer is noticed within this. A host is on the site's network, and its loss is news; a
 * client may be on a train, and is given time to come out of the tunnel. */
#define CLIENT_DEAD_MS 15000
#define HOST_DEAD_MS   5000

struct gw_session {
	struct gw_conn *conn;	    /* owned */
	struct relay *relay;	    /* owned */
	struct loop_timer *idle;    /* owned; API requests only */
	struct rdp_framing framing; /* of what the display says; RDP only */
	bool quiet;
};

static void session_free(struct gw_session *s)
{
	loop_timer_del(s->idle);
	if (s->conn)
		gw_conn_free(s->conn);
	free(s);
}

static const char *why_name(enum relay_end why)
{
	switch (why) {
	case RELAY_A_CLOSED:
		return "client-closed";
	case RELAY_B_CLOSED:
		return "desktop-closed";
	case RELAY_A_ERROR:
		return "client-lost";
	case RELAY_B_ERROR:
		return "desktop-lost";
	case RELAY_STOPPED:
		break;
	}
	return "stopped";
}

static void on_end(void *arg, enum relay_end why, const struct relay_stats *st)
{
	struct gw_session *s = arg;
	const struct gw_conn *c = s->conn;

	if (!s->quiet)
		gw_stats_session(c->proto, false);
	log_event(s->quiet ? LOG_DEBUG : LOG_INFO, s->quiet ? "api.end" : "session.end",
		  "conn=%s proto=%s user=%s desktop=%s why=%s in=%llu out=%llu ms=%lld", c->id,
		  gw_proto_name(c->proto), LOG_Q(c->user), LOG_Q(c->desktop), why_name(why),
		  (unsigned long long)st->a_to_b, (unsigned long long)st->b_to_a,
		  (long long)(clock_ms() - st->since_ms));
	session_free(s);
}

static void end_session(void *holder)
{
	struct gw_session *s = holder;

	relay_stop(s->relay);
}

static void on_idle(void *arg)
{
	struct gw_session *s = arg;
	int64_t left = relay_stats(s->relay)->last_ms + API_IDLE_MS - clock_ms();

	if (left <= 0)
		relay_stop(s->relay);
	else
		loop_timer_set(s->idle, left);
}

static void on_seen(void *arg, const uint8_t *p, size_t n)
{
	struct gw_session *s = arg;

	rdp_framing_feed(&s->framing, p, n);
}

/* The host is lost: an RDP client can be told, where no PDU of the display was cut short. */
static void on_lost(void *arg, struct buf *b)
{
	struct gw_session *s = arg;

	if (rdp_framing_between(&s->framing) && rdp_write_error_info(b, RDP_ERR_REDIRECTING))
		log_debug("session.words", "conn=%s error=memory", s->conn->id);
}

int gw_session_start(struct gw_conn *conn, struct gw_stream *client, struct gw_stream *backend,
		     bool quiet)
{
	struct gw_session *s = calloc(1, sizeof(*s));
	struct tlsconn a, b;

	if (!s)
		return -ENOMEM;
	s->quiet = quiet;
	if (quiet) {
		s->idle = loop_timer_add(conn->w->loop, API_IDLE_MS, on_idle, s);
		if (!s->idle) {
			session_free(s);
			return -ENOMEM;
		}
	}
	sock_keepalive(client->c.fd, CLIENT_DEAD_MS);
	if (!quiet)
		sock_keepalive(backend->c.fd, HOST_DEAD_MS);
	gw_stream_detach(client, &a);
	gw_stream_detach(backend, &b);
	s->relay = relay_start(conn->w->loop, &a, &b, buf_head(&client->in), client->in.len,
			       buf_head(&backend->in), backend->in.len, on_end, s);
	if (!s->relay) {
		tlsconn_fini(&a);
		tlsconn_fini(&b);
		session_free(s);
		return -ENOMEM;
	}
	if (conn->proto == GW_RDP)
		relay_last_words(s->relay, on_seen, on_lost);
	gw_stats_relay(s->relay, quiet);
	if (!quiet) {
		gw_stats_session(conn->proto, true);
		gw_stats_login(conn->proto, NULL);
	}
	s->conn = conn;
	conn->end = end_session;
	conn->holder = s;
	log_event(quiet ? LOG_DEBUG : LOG_INFO, quiet ? "api.start" : "session.start",
		  "conn=%s proto=%s client=%s user=%s desktop=%s login_ms=%lld", conn->id,
		  gw_proto_name(conn->proto), conn->peer, LOG_Q(conn->user), LOG_Q(conn->desktop),
		  (long long)(clock_ms() - conn->since_ms));
	return 0;
}
