/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display control channel, [MS-RDPEDISP]: a client's wish for another size.
 */
#ifndef PANE_DISPLAY_RDP_DISPCTL_H
#define PANE_DISPLAY_RDP_DISPCTL_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define DISPCTL_CAPS_SIZE 20

struct dispctl_wish {
	uint32_t width, height; /* pixels, of the primary monitor; 0 = none was named */
	uint32_t scale_percent; /* 100 when the client does not say */
};

/* DISPLAYCONTROL_CAPS_PDU: one monitor of the largest size a surface has. */
void disp_ctl_caps(uint8_t out[DISPCTL_CAPS_SIZE]);
/* One PDU: 1 when *w was filled, 0 for one that asks nothing, -EPROTO. */
int disp_ctl_parse(const uint8_t *p, size_t n, struct dispctl_wish *w) must_check;

#endif
