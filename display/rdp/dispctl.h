/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display control channel, [MS-RDPEDISP]: a client's wish for another size.
 */
#ifndef PANE_DISPLAY_RDP_DISPCTL_H
#define PANE_DISPLAY_RDP_DISPCTL_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

#define DISPCTL_CAPS_SIZE 20

struct dispctl_wish {
	uint32_t n;					    /* monitors, 0 = none was named */
	struct surface_rect monitors[SURFACE_MAX_MONITORS]; /* from 0, 0 on; the primary first */
	uint32_t scale_percent; /* the primary's; 100 when the client does not say */
};

/* DISPLAYCONTROL_CAPS_PDU: as many monitors, and as large together, as a surface has room for. */
void disp_ctl_caps(uint8_t out[DISPCTL_CAPS_SIZE], uint32_t monitors);
/* Puts the primary one in front and moves all so that they begin at 0, 0; false when a surface has
 * no room for them. Places are within +-32768, sizes at most SURFACE_MAX_DIM. */
bool disp_ctl_place(uint32_t n, struct surface_rect *r, uint32_t primary) must_check;
/* One PDU: 1 when *w was filled, 0 for one that asks nothing, -EPROTO. */
int disp_ctl_parse(const uint8_t *p, size_t n, struct dispctl_wish *w) must_check;

#endif
