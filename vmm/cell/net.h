/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's network: nothing but its own loopback; a user-mode stack (slirp4netns) that lets it
 * out as the host's programs go, without the host's own loopback; or an interface of its own on an
 * isolated bridge. Set up once the network namespace of the sandbox exists.
 */
#ifndef PANE_CELL_NET_H
#define PANE_CELL_NET_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

struct cell_options;

struct cell_net {
	pid_t helper; /* our child slirp4netns, or 0 */
};

/* inside: a process of the sandbox (host's number). */
int cell_net_start(const struct cell_options *o, uid_t base, int userns, pid_t inside, int log,
		   struct cell_net *n, struct err *e) must_check;
void cell_net_stop(struct cell_net *n);
/* Removes what a killed desktop of that key left in the host's network; nothing is fine. */
int cell_net_remove(const char *key, struct err *e) must_check;

#endif
