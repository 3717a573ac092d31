/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a gateway process gives up before it meets the network.
 */
#ifndef PANE_GATEWAY_JAIL_H
#define PANE_GATEWAY_JAIL_H

#include "common/err.h"
#include "common/cleanup.h"

/* Limits for supervisor and workers: descriptors up to the hard limit, no core files (they would
 * hold keys), no new privileges. */
int gw_jail_limits(struct err *e) must_check;
/* A worker: may talk on sockets and remember things, and may read what name resolution reads. All
 * else fails or ends it. */
int gw_jail_worker(struct err *e) must_check;
/* The keeper: may answer on the sockets it has, and read files (a reload); no new sockets. */
int gw_jail_keeper(struct err *e) must_check;
/* Who tells Prometheus: may answer on the sockets it has; no files, no new sockets. */
int gw_jail_metrics(struct err *e) must_check;

#endif
