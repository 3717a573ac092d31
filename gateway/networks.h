/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Address ranges of the configuration ("10.0.0.0/8, 2001:db8::/32, ::1") and peers in them. An IPv4
 * address and its IPv4-mapped IPv6 form (RFC 4291, 2.5.5.2) are the same one.
 */
#ifndef PANE_GATEWAY_NETWORKS_H
#define PANE_GATEWAY_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define GW_NETWORKS_MAX 32

struct gw_networks {
	struct {
		uint8_t addr[16]; /* network order, IPv4 mapped */
		unsigned bits;	  /* of the 128 */
	} list[GW_NETWORKS_MAX];
	unsigned n;
};

/* The words of a NULL-terminated list; NULL is an empty one. */
int gw_networks_parse(struct gw_networks *out, char *const *words, struct err *e) must_check;
/* The address of a peer, "ip:port", "[v6]:port" or "unix"; false where there is none. */
bool gw_peer_address(const char *peer, uint8_t addr[16]);
bool gw_networks_have(const struct gw_networks *n, const char *peer);

#endif
