/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections' identities; see conn.h. The worker's list is doubly linked and intrusive.
 */
#include "gateway/conn.h"
#include "gateway/claim.h"
#include "gateway/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROP_LINES_PER_S 5

#define PENALTY_GARBAGE_MS 2000
#define PENALTY_SILENCE_MS 2000
#define PENALTY_LOGIN_MS                                                                           \
	1000 /* the broker throttles accounts and sources by itself, and better                    \
	      */

static const char *const refusals[] = {"", "per_source_max", "penalty", "max_connections"};

static void refused(struct gw_worker *w, enum gw_proto proto, const char *peer, enum gw_admission a)
{
	gw_stats_refused(a);
	if (log_allow(&w->refusals, DROP_LINES_PER_S))
		log_warn("conn.refused", "proto=%s client=%s why=%s", gw_proto_name(proto), peer,
			 refusals[a]);
}

static void enlist(struct gw_conn *c)
{
	c->next = c->w->conns;
	if (c->next)
		c->next->prev = c;
	c->w->conns = c;
}

struct gw_conn *gw_conn_new(struct gw_worker *w, enum gw_proto proto, const char *peer,
			    bool proxied)
{
	struct gw_conn *c;
	int slot;
	enum gw_admission a = gw_limits_take(w->limits, w->index, proxied ? NULL : peer, &slot);

	if (a != GW_ADMIT) {
		refused(w, proto, peer, a);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		gw_limits_drop(w->limits, w->index, slot);
		return NULL;
	}
	*c = (struct gw_conn){.w = w, .door = proto, .proto = proto, .slot = slot};
	c->since_ms = clock_ms();
	random_id(c->id);
	memcpy(c->peer, peer, strnlen(peer, sizeof(c->peer) - 1));
	enlist(c);
	gw_stats_open(c->door);
	return c;
}

struct gw_conn *gw_conn_inner(struct gw_conn *outer, struct gw_claim *claim)
{
	struct gw_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct gw_conn){.w = outer->w, .proto = GW_RDP, .inner = true, .claim = claim};
	c->door = outer->door;
	c->since_ms = clock_ms();
	memcpy(c->id, outer->id, sizeof(c->id));
	memcpy(c->peer, outer->peer, sizeof(c->peer));
	enlist(c);
	return c;
}

int gw_conn_readdress(struct gw_conn *c, const char *peer)
{
	enum gw_admission a = gw_limits_move(c->w->limits, c->w->index, peer, &c->slot);

	if (a != GW_ADMIT) {
		refused(c->w, c->proto, peer, a);
		return -EACCES;
	}
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	return 0;
}

int gw_conn_left(const struct gw_conn *c)
{
	int64_t left = c->since_ms + c->w->conf->login_deadline_ms - clock_ms();

	return left > 0 ? (int)left : 1;
}

void gw_conn_lobby(struct gw_conn *c, enum gw_lobby_place place)
{
	if ((place != GW_NO_LOBBY) != (c->lobby != GW_NO_LOBBY))
		gw_stats_lobby(place != GW_NO_LOBBY);
	c->lobby = place;
}

void gw_conn_free(struct gw_conn *c)
{
	struct gw_worker *w = c->w;

	gw_conn_lobby(c, GW_NO_LOBBY);

	if (!c->inner) {
		gw_limits_drop(w->limits, w->index, c->slot);
		gw_stats_close(c->door);
	}
	gw_claim_free(c->claim);
	if (c->prev)
		c->prev->next = c->next;
	else
		w->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
	if (!w->conns && w->draining)
		gw_worker_idle(w);
}

static void blame(struct gw_conn *c, int ms)
{
	const struct gw_config *conf = c->w->conf;

	/* A balancer that has not said whose connection it is stands for nobody. */
	if (conf->penalties && !gw_networks_have(&conf->exempt, c->peer) &&
	    !gw_networks_have(&conf->balancers, c->peer))
		gw_limits_blame(c->w->limits, c->peer, ms);
}

void gw_conn_welcome(struct gw_conn *c)
{
	gw_limits_forgive(c->w->limits, c->peer);
}

void gw_conn_blame_login(struct gw_conn *c, const char *code)
{
	gw_stats_login(c->proto, code);
	if (!strcmp(code, "login.failed"))
		blame(c, PENALTY_LOGIN_MS);
}

/* Hanging up is no offence: port checks do, and people who change their mind. */
static int penalty(const char *why)
{
	if (!strcmp(why, "protocol") || !strcmp(why, "oversize"))
		return PENALTY_GARBAGE_MS;
	return strcmp(why, "deadline") ? 0 : PENALTY_SILENCE_MS;
}

void gw_conn_log_drop(struct gw_conn *c, const char *why, const char *detail)
{
	blame(c, penalty(why));
	gw_stats_dropped(c->door, why);
	if (log_allow(&c->w->drops, DROP_LINES_PER_S))
		log_warn("conn.drop", "conn=%s proto=%s client=%s why=%s detail=%s ms=%lld", c->id,
			 gw_proto_name(c->proto), c->peer, why, LOG_Q(detail),
			 (long long)(clock_ms() - c->since_ms));
}
