/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card's other end as a descriptor that somebody passed: a tap device, or a socket
 * that carries an Ethernet frame a message (a switch of the host's, passt, a test).
 */
#ifndef PANE_VMM_VIRTIO_NET_FD_H
#define PANE_VMM_VIRTIO_NET_FD_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

struct net_backend;

/* fd is the backend's on success. NULL with *e, which says what kind of descriptor is wanted. */
struct net_backend *net_fd_new(int fd, struct err *e) must_check;
/* Whether it takes offload headers: a tap with IFF_VNET_HDR does. */
bool net_fd_offloads(const struct net_backend *b) must_check;
/* A descriptor of the tap device of that name, which must be there. Before the jail. */
int net_fd_tap(const char *name, struct err *e) must_check;

#endif
