/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The listening sockets: each address once for every worker (SO_REUSEPORT), taken over from a
 * predecessor where there is one.
 */
#ifndef PANE_GATEWAY_PORTS_H
#define PANE_GATEWAY_PORTS_H

#include "gateway/handover.h"

struct gw_ports {
	struct gw_listener list[GW_LISTENERS_MAX]; /* descriptors owned */
	unsigned n;
};

/* Opens what c names for workers 0..n-1. */
int gw_ports_open(struct gw_ports *workers, unsigned n, const struct gw_config *c,
		  struct gw_inherited *in, struct err *e) must_check;
/* Opens where metrics are told. */
int gw_ports_open_metrics(struct gw_ports *p, const struct gw_config *c, struct gw_inherited *in,
			  struct err *e) must_check;
void gw_ports_close(struct gw_ports *p);

#endif
