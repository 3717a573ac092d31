/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bitmap updates, [MS-RDPBCGR] 2.2.9.1.1.3.1.2: the way for clients without the graphics pipeline.
 * Lossless at 32 bits a pixel (planar), interleaved RLE at 15, 16 and 24.
 */
#ifndef PANE_DISPLAY_RDP_BITMAP_H
#define PANE_DISPLAY_RDP_BITMAP_H

#include <freerdp/codec/interleaved.h>
#include <freerdp/freerdp.h>
#include "display/planner.h"
#include "display/rdp/planar.h"

struct bitmap_out {
	rdpContext *context; /* borrowed */
	struct planar planar;
	BITMAP_INTERLEAVED_CONTEXT *interleaved; /* owned; made when first needed */
	uint8_t *packed;			 /* owned; one tile */
	bool resizing; /* the client is being told a new size: nothing may be drawn until it is
			  active */
};

int disp_bitmap_init(struct bitmap_out *b, rdpContext *context) must_check;
void disp_bitmap_fini(struct bitmap_out *b);
int disp_bitmap_resize(struct bitmap_out *b, uint32_t width, uint32_t height) must_check;
int disp_bitmap_solid(struct bitmap_out *b, const struct surface_rect *r, uint32_t xrgb) must_check;
int disp_bitmap_image(struct bitmap_out *b, const struct surface_rect *r, const uint32_t *pixels,
		      size_t stride_px) must_check;

#endif
