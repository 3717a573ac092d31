/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may hold how many connections. One table, shared by all workers of a gateway: connections a
 * source address (IPv6: a /64) and in all. Each worker counts in its own column, so that the
 * supervisor can forget the column of a worker that crashed.
 */
#ifndef PANE_GATEWAY_LIMITS_H
#define PANE_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define GW_WORKERS_MAX	  64
#define GW_TOLERATED_MS	  15000
#define GW_PENALTY_MAX_MS 300000

struct gw_limits;

struct gw_limits_params {
	int per_source_max, max_connections;
};

enum gw_admission {
	GW_ADMIT,
	GW_REFUSE_SOURCE,  /* this source holds its share */
	GW_REFUSE_PENALTY, /* this source misbehaved of late */
	GW_REFUSE_TOTAL,   /* the gateway is full, or nearly and this one drew the short straw */
};

/* In memory that survives fork() as one. */
struct gw_limits *gw_limits_new(const struct gw_limits_params *p);
void gw_limits_free(struct gw_limits *l);
/* Counts a connection from peer ("ip:port"; NULL: in all only) for the worker; *slot is for
 * gw_limits_drop(). */
enum gw_admission gw_limits_take(struct gw_limits *l, unsigned worker, const char *peer,
				 int *slot) must_check;
/* The connection in *slot turns out to be peer's. Where that one is refused all stays as it was. */
enum gw_admission gw_limits_move(struct gw_limits *l, unsigned worker, const char *peer,
				 int *slot) must_check;
/* Penalties add up, and pass as time does. A source with more than GW_TOLERATED_MS of them is
 * refused until they have passed, at most GW_PENALTY_MAX_MS. */
void gw_limits_blame(struct gw_limits *l, const char *peer, int ms);
void gw_limits_forgive(struct gw_limits *l, const char *peer);
void gw_limits_drop(struct gw_limits *l, unsigned worker, int slot);
void gw_limits_forget(struct gw_limits *l, unsigned worker);
unsigned gw_limits_total(const struct gw_limits *l);
/* Sources that are refused just now for what they did. */
unsigned gw_limits_penalised(const struct gw_limits *l);
/* Stable number of a source: the address without the port, an IPv6 one cut to its /64. Never 0. */
uint64_t gw_limits_source(const char *peer);

#endif
