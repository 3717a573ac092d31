/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which frames of the guest may reach user-mode networking. A pure function of the frame and a
 * table: only ARP and unfragmented IPv4 with TCP, UDP or ICMP; inside the virtual network only the
 * name server (port 53), the gateway (ICMP, DHCP) and the DHCP broadcast; outside it nothing that
 * is loopback, "this network", link-local, multicast or an address of the host's own.
 */
#ifndef PANE_VMM_VIRTIO_NET_FILTER_H
#define PANE_VMM_VIRTIO_NET_FILTER_H

#include <stddef.h>
#include <stdint.h>

#define NET_FILTER_OWN 64 /* addresses of the host */

struct net_filter {
	uint32_t network, mask, gateway, nameserver; /* IPv4, host byte order */
	uint32_t own[NET_FILTER_OWN];
	unsigned own_n;
};

enum net_verdict {
	NET_DROP,
	NET_PASS,
	NET_NEW /* passes, and may make libslirp open a socket */
};

enum net_verdict net_filter_check(const struct net_filter *f, const uint8_t *frame, size_t n);
/* Reads the host's addresses anew; keeps the old ones when that fails. With more than the table
 * holds, everything outside the virtual network is dropped. */
void net_filter_refresh(struct net_filter *f);

#endif
