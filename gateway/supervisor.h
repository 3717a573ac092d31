/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parent of the workers: opens the listeners, forks, restarts what crashes, passes signals on.
 * It reads nothing from the network.
 */
#ifndef PANE_GATEWAY_SUPERVISOR_H
#define PANE_GATEWAY_SUPERVISOR_H

#include "gateway/config.h"

/* Opens everything a start needs and closes it again. */
int gw_supervisor_check(const struct gw_config *c, struct err *e) must_check;
/* Runs until SIGTERM or SIGINT. In a worker's process it returns the worker's result, with *worker
 * set. */
int gw_supervisor_run(const struct gw_config *c, bool *worker, struct err *e) must_check;

#endif
