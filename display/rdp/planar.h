/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * RDP 6.0 bitmap compression, the lossless planar codec of [MS-RDPEGDI] 3.1.9: per colour plane,
 * each row as difference to the row above, run-length encoded. No alpha plane, no subsampling.
 */
#ifndef PANE_DISPLAY_RDP_PLANAR_H
#define PANE_DISPLAY_RDP_PLANAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

struct planar {
	uint8_t *scratch; /* owned; the three planes of differences */
	size_t size;
};

void disp_planar_fini(struct planar *p);
/* Bytes an encoded w * h image takes at most. */
size_t disp_planar_bound(uint32_t w, uint32_t h);
/* Encodes XRGB pixels (stride in pixels) into out, which has disp_planar_bound() bytes; bottom_up
 * turns the image over, as bitmap updates want it. Returns the length or -ENOMEM. */
int disp_planar_encode(struct planar *p, const uint32_t *px, size_t stride_px, uint32_t w,
		       uint32_t h, bool bottom_up, uint8_t *out) must_check;

#endif
