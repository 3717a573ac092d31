/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections' identities; see conn.h. The worker's list is doubly linked and intrusive.
 */
#include "gateway/conn.h"

#include <stdlib.h>
#include <string.h>

#define DROP_LINES_PER_S 5

static void log_refused(struct gw_worker *w, enum gw_proto proto, const char *peer, const char *why)
{
	if (log_allow(&w->drops, DROP_LINES_PER_S))
		log_warn("conn.refused", "proto=%s client=%s why=%s", gw_proto_name(proto), peer,
			 why);
}

struct gw_conn *gw_conn_new(struct gw_worker *w, enum gw_proto proto, const char *peer)
{
	struct gw_conn *c;
	int slot;

	switch (gw_limits_take(w->limits, w->index, peer, &slot)) {
	case GW_ADMIT:
		break;
	case GW_REFUSE_SOURCE:
		log_refused(w, proto, peer, "per_source_max");
		return NULL;
	case GW_REFUSE_TOTAL:
		log_refused(w, proto, peer, "max_connections");
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		gw_limits_drop(w->limits, w->index, slot);
		return NULL;
	}
	*c = (struct gw_conn){.w = w, .proto = proto, .slot = slot, .since_ms = clock_ms()};
	random_id(c->id);
	memcpy(c->peer, peer, strnlen(peer, sizeof(c->peer) - 1));
	c->next = w->conns;
	if (c->next)
		c->next->prev = c;
	w->conns = c;
	return c;
}

void gw_conn_free(struct gw_conn *c)
{
	struct gw_worker *w = c->w;

	gw_limits_drop(w->limits, w->index, c->slot);
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

void gw_conn_log_drop(struct gw_conn *c, const char *why, const char *detail)
{
	if (log_allow(&c->w->drops, DROP_LINES_PER_S))
		log_warn("conn.drop", "conn=%s proto=%s client=%s why=%s detail=%s ms=%lld", c->id,
			 gw_proto_name(c->proto), c->peer, why, LOG_Q(detail),
			 (long long)(clock_ms() - c->since_ms));
}
