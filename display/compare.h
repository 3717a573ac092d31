/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What differs between two pictures of the same shape, tile by tile. memcmp(3) does the reading:
 * libc picks the widest vectors the processor has.
 */
#ifndef PANE_DISPLAY_COMPARE_H
#define PANE_DISPLAY_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "display/screen.h"

#define DISP_BOXES 3 /* of one tile, at most */

/* A part of a tile: exclusive ends, relative to the tile. */
struct disp_box {
	uint8_t x0, y0, x1, y1;
};

/* w, h: the tile's size in pixels, at most DISP_TILE. */
bool disp_tile_differs(const uint32_t *a, const uint32_t *b, size_t stride_px, uint32_t w,
		       uint32_t h);
/* Makes `to` equal to `from` and says where it was not, from top to bottom. More than one box only
 * where that spares much, as at a corner. Returns how many; 0 = equal. */
unsigned disp_tile_take(uint32_t *to, const uint32_t *from, size_t stride_px, uint32_t w,
			uint32_t h, struct disp_box out[DISP_BOXES]);

#endif
