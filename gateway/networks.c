/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Address ranges; see networks.h.
 */
#include "gateway/networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS_BEFORE 96

/* Either family, as 16 bytes. The number of bits before the address's own, or -1. */
static int parse_address(const char *text, uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, addr) == 1)
		return 0;
	memcpy(addr, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, addr + 12) == 1 ? V4_BITS_BEFORE : -1;
}

static int parse_one(const char *word, uint8_t addr[16], unsigned *bits)
{
	const char *slash = strchr(word, '/');
	size_t n = slash ? (size_t)(slash - word) : strlen(word);
	char text[INET6_ADDRSTRLEN], *end;
	unsigned long own;
	int before;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, word, n);
	text[n] = '\0';
	before = parse_address(text, addr);
	if (before < 0)
		return -EINVAL;
	*bits = 128;
	if (!slash)
		return 0;
	own = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || own > 128u - (unsigned)before)
		return -EINVAL;
	*bits = (unsigned)before + (unsigned)own;
	return 0;
}

int gw_networks_parse(struct gw_networks *out, char *const *words, struct err *e)
{
	out->n = 0;
	for (; words && *words; words++) {
		if (out->n == GW_NETWORKS_MAX)
			return err_set(e, -E2BIG, "more than %d networks", GW_NETWORKS_MAX);
		if (parse_one(*words, out->list[out->n].addr, &out->list[out->n].bits))
			return err_set(e, -EINVAL,
				       "\"%s\" is no network; write an address or ADDRESS/BITS, "
				       "such as 10.0.0.0/8",
				       *words);
		out->n++;
	}
	return 0;
}

bool gw_peer_address(const char *peer, uint8_t addr[16])
{
	const char *colon = strrchr(peer, ':');
	size_t n = colon ? (size_t)(colon - peer) : 0;
	char text[INET6_ADDRSTRLEN + 2];

	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, peer, n);
	text[n] = '\0';
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = '\0';
		return parse_address(text + 1, addr) == 0;
	}
	return parse_address(text, addr) == V4_BITS_BEFORE;
}

static bool within(const uint8_t a[16], const uint8_t net[16], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, net, whole) != 0)
		return false;
	return !rest || ((a[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

bool gw_networks_have(const struct gw_networks *n, const char *peer)
{
	uint8_t a[16];

	if (!n->n || !gw_peer_address(peer, a))
		return false;
	for (unsigned i = 0; i < n->n; i++)
		if (within(a, n->list[i].addr, n->list[i].bits))
			return true;
	return false;
}
