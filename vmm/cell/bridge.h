/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A desktop's interface on an isolated bridge: a veth pair, one end in the desktop's network
 * namespace as eth0, the other a port of the bridge that talks to no other isolated port. Rules
 * (nftables, family bridge) let only the desktop's own addresses in; rules of the bridge (family
 * inet) keep desktops from this host and from networks that are not the Internet.
 */
#ifndef PANE_CELL_BRIDGE_H
#define PANE_CELL_BRIDGE_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

struct cell_net_options;

/* pid: a process in the desktop's network namespace. */
int cell_bridge_attach(const char *name, const struct cell_net_options *n, pid_t pid,
		       struct err *e) must_check;
/* Removes interface and rules of that name; nothing there is fine. */
int cell_bridge_detach(const char *name, struct err *e) must_check;
/* Name of the port, derived from the desktop's. */
void cell_bridge_port(const char *name, char out[16]);

#endif
