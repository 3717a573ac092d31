/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where in a display's byte stream one PDU ends and the next begins, so that the gateway knows
 * whether it may put a last word of its own behind it. Lengths are counted, nothing is read.
 */
#ifndef PANE_GATEWAY_RDP_FRAMING_H
#define PANE_GATEWAY_RDP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rdp_framing {
	uint32_t left;	 /* bytes of the current PDU still to come */
	uint8_t head[4]; /* of the next one, as far as it came */
	uint8_t have;
	bool lost; /* something was no PDU: never sure again */
};

void rdp_framing_feed(struct rdp_framing *f, const uint8_t *p, size_t n);
bool rdp_framing_between(const struct rdp_framing *f);

#endif
