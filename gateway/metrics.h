/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tells Prometheus of this gateway: a process of its own beside the workers and the keeper, which
 * reads what they count (stats.h) and answers on the sockets of metrics_listen. It meets nobody but
 * who may reach those, holds no key and no connection, and is replaced when it dies.
 */
#ifndef PANE_GATEWAY_METRICS_H
#define PANE_GATEWAY_METRICS_H

#include "common/metrics.h"
#include "gateway/config.h"
#include "gateway/stats.h"

struct gw_metrics {
	const struct gw_config *conf;	/* borrowed */
	const struct gw_stats *stats;	/* borrowed, shared */
	const struct gw_limits *limits; /* borrowed, shared */
	unsigned workers;
};

void gw_metrics_write(const struct gw_metrics *g, struct metrics *m);
/* Serves the n listeners until killed. */
int gw_metrics_run(const struct gw_metrics *g, const int *fds, unsigned n,
		   struct err *e) must_check;

#endif
