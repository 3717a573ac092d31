/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network of container desktops: what [desktops] cell_net says, as pane-cell's --net takes it.
 */
#ifndef PANE_HOST_CELL_NET_H
#define PANE_HOST_CELL_NET_H

#include "common/cleanup.h"

#define HOST_CELL_NET_MAX 160
#define HOST_ADDRESS_MIN  2 /* 1 is the bridge's own */

/* setting: "user", "none" or "bridge=NAME,subnet=ADDRESS/LENGTH[,dns=ADDRESS]"; number: this
 * desktop's within the subnet, from HOST_ADDRESS_MIN. -EINVAL when it is none of these, -ERANGE
 * when the subnet has no such number. Pure. */
int host_cell_net(const char *setting, unsigned number, char out[HOST_CELL_NET_MAX]) must_check;

#endif
