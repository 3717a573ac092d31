/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * User-mode networking by libslirp: the guest is 10.0.2.15 behind NAT on 10.0.2.0/24, with DHCP,
 * gateway 10.0.2.2 and a name server at 10.0.2.3 that relays to the host's. It can open connections
 * to the world; nobody can open one to it.
 *
 * The guest must not reach the host's own services. libslirp refuses 10.0.2.2; and because it would
 * take any other address the guest writes into a packet, net_filter.h drops, before libslirp
 * sees them, frames to loopback, link-local, multicast and every address the host itself has. IPv6
 * is off.
 *
 * libslirp wants one thread and blocks in poll(2): it has a thread of its own, which is also the
 * only one of the VMM that opens network sockets.
 */
#ifndef PANE_VMM_VIRTIO_NET_USER_H
#define PANE_VMM_VIRTIO_NET_USER_H

#include "common/cleanup.h"
#include "common/err.h"

struct net_backend;

struct net_user_config {
	const char *network;  /* "10.0.2.0" (the default when NULL); always a /24 */
	const char *hostname; /* told to the guest by DHCP; may be NULL */
};

struct net_backend *net_user_new(const struct net_user_config *c, struct err *e) must_check;

#endif
