/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See cell_net.h. The bridge is the administrator's, with the subnet's first address as its own;
 * every desktop has one number of it for as long as it exists. Loop's thread.
 */
#include "vmm/host/cell_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int host_cell_net(const char *setting, unsigned number, char out[HOST_CELL_NET_MAX])
{
	char bridge[16], subnet[16], dns[32] = "", ip[INET_ADDRSTRLEN], gw[INET_ADDRSTRLEN];
	unsigned length;
	int end = 0;
	struct in_addr a;
	uint32_t base;

	if (strcmp(setting, "user") == 0 || strcmp(setting, "none") == 0) {
		snprintf(out, HOST_CELL_NET_MAX, "%s", setting);
		return 0;
	}
	if (sscanf(setting, "bridge=%15[a-zA-Z0-9_.-],subnet=%15[0-9.]/%2u%n", bridge, subnet,
		   &length, &end) != 3 ||
	    inet_pton(AF_INET, subnet, &a) != 1 || length < 8 || length > 30)
		return -EINVAL;
	if (setting[end] &&
	    (sscanf(setting + end, ",dns=%15[0-9.]", ip) != 1 ||
	     snprintf(dns, sizeof(dns), ",dns=%s", ip) < 0 || strcmp(dns, setting + end) != 0))
		return -EINVAL;
	base = ntohl(a.s_addr) & ~(UINT32_MAX >> length);
	if (number < HOST_ADDRESS_MIN || number >= UINT32_MAX >> length)
		return -ERANGE; /* the last one is broadcast */
	a.s_addr = htonl(base + number);
	inet_ntop(AF_INET, &a, ip, sizeof(ip));
	a.s_addr = htonl(base + 1);
	inet_ntop(AF_INET, &a, gw, sizeof(gw));
	snprintf(out, HOST_CELL_NET_MAX, "bridge=%s,ip=%s/%u,gw=%s%s", bridge, ip, length, gw, dns);
	return 0;
}
