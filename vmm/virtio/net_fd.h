/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card's other end as descriptors that somebody passed, one for each queue pair: queues
 * of a tap device, or sockets that carry an Ethernet frame a message (a switch of the host's,
 * passt, a test).
 */
#ifndef PANE_VMM_VIRTIO_NET_FD_H
#define PANE_VMM_VIRTIO_NET_FD_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

#define NET_FD_MAX 8 /* descriptors */

struct net_backend;

/* fds, 1 to NET_FD_MAX of them, are the backend's on success. NULL with *e, which says what kind of
 * descriptor is wanted. */
struct net_backend *net_fd_new(const int *fds, unsigned queues, struct err *e) must_check;
/* Whether it takes offload headers: a tap with IFF_VNET_HDR does. */
bool net_fd_offloads(const struct net_backend *b) must_check;
/* So many queues of the tap device of that name, which must be there. Before the jail. 0, or a
 * negative errno and no descriptor. */
int net_fd_tap(const char *name, unsigned queues, int fds[NET_FD_MAX], struct err *e) must_check;

#endif
