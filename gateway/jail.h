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
/* The worker's system call filter: no programs, no other processes, no changes to files. */
int gw_jail_filter(struct err *e) must_check;

#endif
