/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ClearCodec, [MS-RDPEGFX] 2.2.4.1: the part made for text. An image whose lines are parted by rows
 * of the ground's colour becomes bands, a line each; a band is its columns of pixels, and a column
 * seen before is two bytes. The same glyph is so always the same few bytes, which the bulk
 * compressor finds again wherever it stands.
 *
 * The client keeps the same store of columns as this does: what was encoded must be sent.
 */
#ifndef PANE_DISPLAY_RDP_CLEAR_H
#define PANE_DISPLAY_RDP_CLEAR_H

#include <stddef.h>
#include <stdint.h>
#include "common/buf.h"

struct clear;

struct clear *disp_clear_new(void);
void disp_clear_free(struct clear *c);
/* Appends the image to out: 1; 0 when it is not lines of text, and nothing was done; or a negative
 * errno, after which the client's store is no longer known. w and h are at most 8192. */
int disp_clear_encode(struct clear *c, const uint32_t *px, size_t stride_px, uint32_t w, uint32_t h,
		      struct buf *out) must_check;
/* The client forgot everything (it began again). */
void disp_clear_reset(struct clear *c);

#endif
