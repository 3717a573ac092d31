/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parent of workers and keeper: opens the ports, forks, restarts what crashes, passes signals
 * on. It reads nothing from the network.
 */
#ifndef PANE_GATEWAY_SUPERVISOR_H
#define PANE_GATEWAY_SUPERVISOR_H

#include "gateway/config.h"

/* Opens everything a start needs and closes it again. */
int gw_supervisor_check(const struct gw_config *c, struct err *e) must_check;
/* Runs until SIGTERM or SIGINT, or until a successor serves (SIGUSR2) and the last session is over.
 * path is the configuration's, for the successor. In a process it started it returns that one's
 * result, with *child set. */
int gw_supervisor_run(const struct gw_config *c, const char *path, bool *child,
		      struct err *e) must_check;

#endif
