/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PROXY protocol heads; see proxy_head.h.
 */
#include "gateway/proxy_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum {
	VERSION_2 = 0x20,
	LOCAL = 0,
	PROXY = 1,
	UNSPEC = 0x00,
	TCP4 = 0x11,
	TCP6 = 0x21
};

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The source is the first of the two addresses, its port the first of the two ports. */
static int take_addresses(const uint8_t *p, size_t n, uint8_t family, struct proxy_head *h)
{
	const bool six = family == TCP6;
	const size_t size = six ? 16 : 4;
	char host[INET6_ADDRSTRLEN];

	if (n < 2 * size + 4 || !inet_ntop(six ? AF_INET6 : AF_INET, p, host, sizeof(host)))
		return -EPROTO;
	snprintf(h->peer, sizeof(h->peer), six ? "[%s]:%u" : "%s:%u", host, be16(p + 2 * size));
	return 0;
}

int proxy_head_parse(const uint8_t *p, size_t n, struct proxy_head *h)
{
	uint8_t command, family;

	*h = (struct proxy_head){.bytes = PROXY_FIXED};
	if (memcmp(p, signature, n < sizeof(signature) ? n : sizeof(signature)) != 0)
		return -EPROTO;
	if (n < PROXY_FIXED)
		return -EAGAIN;
	command = p[12] & 0x0f;
	family = p[13];
	if ((p[12] & 0xf0) != VERSION_2 || command > PROXY)
		return -EPROTO;
	h->bytes += be16(p + 14);
	if (h->bytes > PROXY_MAX)
		return -EMSGSIZE;
	if (n < h->bytes)
		return -EAGAIN;
	/* Of an unknown family the real addresses count, section 2.2; datagrams have no place here.
	 */
	if (command == LOCAL || family == UNSPEC)
		return 0;
	if (family != TCP4 && family != TCP6)
		return -EPROTO;
	return take_addresses(p + PROXY_FIXED, h->bytes - PROXY_FIXED, family, h);
}
