/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a guest may put on a network that others are on, and the offload header before each frame
 * (virtio 1.2 §5.1.6). Pure functions over a copy of the frame's beginning: whoever sends it sends
 * that copy, so the guest cannot change what was looked at.
 *
 * A guest speaks from its own MAC address and, where one is given, its own IPv4 address only, in
 * ARP too; it is neither DHCP server nor router (RFC 6105, RFC 7113, RFC 7610). VLAN tags, and IPv6
 * extension headers in which an answer could hide (hop-by-hop of MLD aside), are dropped.
 */
#ifndef PANE_VMM_VIRTIO_NET_GUARD_H
#define PANE_VMM_VIRTIO_NET_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define NET_LEAD      192   /* bytes of a frame that are copied: all headers lie in them */
#define NET_HEAD      12    /* the offload header */
#define NET_FRAME     1514  /* largest frame on the wire, no FCS */
#define NET_BIG_FRAME 65549 /* largest one that is cut into segments: 14 + 65535 */

/* Features of the offload header, §5.1.3; the low ones are the device's for what the guest sends.
 */
#define NET_F_CSUM	 (1ull << 0)
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_GUEST_TSO4 (1ull << 7)
#define NET_F_GUEST_TSO6 (1ull << 8)
#define NET_F_HOST_TSO4	 (1ull << 11)
#define NET_F_HOST_TSO6	 (1ull << 12)

struct net_guard {
	uint8_t mac[6];
	uint32_t ip; /* host byte order; 0: any, and IPv6 too */
};

/* Where the TCP or UDP header of a whole (unfragmented) packet lies. */
struct net_layout {
	bool ipv6;
	uint8_t proto; /* 0: none of the two */
	size_t l4;
};

/* Whether the guest may send this frame of len bytes, of which lead_n (NET_LEAD, or all) are in
 * lead. guard NULL: any. */
bool net_guard_check(const struct net_guard *guard, const uint8_t *lead, size_t lead_n, size_t len,
		     struct net_layout *out) must_check;
/* Checks the header of such a frame against what was negotiated, and makes it whole: hdr_len is
 * ours. False: the frame may not go on. *segments: how many frames will be on the wire. */
bool net_offload_check(uint64_t accepted, uint8_t head[NET_HEAD], const uint8_t *lead,
		       size_t lead_n, size_t len, const struct net_layout *l,
		       unsigned *segments) must_check;
/* Whether a frame with this header may be given to a guest that accepted these features; what it
 * need not know is taken out of the header. */
bool net_offload_wanted(uint64_t accepted, uint8_t head[NET_HEAD], size_t len) must_check;

#endif
