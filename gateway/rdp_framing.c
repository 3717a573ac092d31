/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PDU borders; see rdp_framing.h. Two kinds follow each other: TPKT (RFC 1006 §6: version 3, two
 * bytes of length) and fast-path output ([MS-RDPBCGR] 2.2.9.1.2: action 0, one or two bytes of
 * length). Lengths count the whole PDU.
 */
#include "gateway/rdp_framing.h"

#define TPKT_VERSION 3
#define TPKT_HEAD    4

/* The PDU's length and its head's, once enough of the head is there: 0, else 1 for "more", -1. */
static int measure(const uint8_t *h, unsigned have, uint32_t *length, unsigned *head)
{
	if (h[0] == TPKT_VERSION) {
		*head = TPKT_HEAD;
		if (have < TPKT_HEAD)
			return 1;
		*length = (uint32_t)h[2] << 8 | h[3];
	} else if ((h[0] & 3) == 0) {
		if (have < 2)
			return 1;
		*head = h[1] & 0x80 ? 3 : 2;
		if (have < *head)
			return 1;
		*length = h[1] & 0x80 ? (uint32_t)(h[1] & 0x7F) << 8 | h[2] : h[1];
	} else {
		return -1;
	}
	return *length < *head ? -1 : 0;
}

static void take_head_byte(struct rdp_framing *f, uint8_t byte)
{
	uint32_t length = 0;
	unsigned head = 0;
	int r;

	f->head[f->have++] = byte;
	r = measure(f->head, f->have, &length, &head);
	if (r > 0)
		return;
	f->lost = r < 0;
	f->left = r < 0 ? 0 : length - head;
	f->have = 0;
}

void rdp_framing_feed(struct rdp_framing *f, const uint8_t *p, size_t n)
{
	while (n && !f->lost) {
		size_t skip = f->left < n ? f->left : n;

		if (skip) {
			f->left -= (uint32_t)skip;
			p += skip;
			n -= skip;
		} else {
			take_head_byte(f, *p++);
			n--;
		}
	}
}

bool rdp_framing_between(const struct rdp_framing *f)
{
	return !f->lost && !f->left && !f->have;
}
