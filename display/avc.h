/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * H.264 for what may be shown about right: one encoder for one size, driven for latency (no
 * look-ahead, no reordering, one slice, key frames only at the start) with a ceiling on the rate.
 * Colours are full-range. AVC420 of RDP says BT.709 ([MS-RDPEGFX] 3.3.8.3.1); rfbproto says
 * nothing, and what decodes there takes BT.601 for granted (swscale) or reads the stream's own word
 * for it.
 */
#ifndef PANE_DISPLAY_AVC_H
#define PANE_DISPLAY_AVC_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

struct avc;

enum avc_colours {
	AVC_BT709,
	AVC_BT601
};

/* NULL when there is no memory, or no encoder for that size. */
struct avc *disp_avc_new(uint32_t width, uint32_t height, enum avc_colours colours);
void disp_avc_free(struct avc *a);
/* Encodes width x height XRGB pixels; *out is the encoder's until its next use. */
int disp_avc_encode(struct avc *a, const uint32_t *pixels, size_t stride_px, const uint8_t **out,
		    size_t *n) must_check;

/* What a stream of the size decodes to: H.264 4:2:0 has even sides only. */
static inline uint32_t disp_avc_even(uint32_t px)
{
	return (px + 1) & ~1u;
}

/* XRGB to planes of 4:2:0; w and h are even. For tests too. */
void disp_avc_planes_as(enum avc_colours colours, const uint32_t *px, size_t stride_px, uint32_t w,
			uint32_t h, uint8_t *const plane[3], const int stride[3]);

/* The same by BT.709. */
static inline void disp_avc_planes(const uint32_t *px, size_t stride_px, uint32_t w, uint32_t h,
				   uint8_t *const plane[3], const int stride[3])
{
	disp_avc_planes_as(AVC_BT709, px, stride_px, w, h, plane, stride);
}

#endif
