/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * H.264 of a screen for a file: frames when something changed, of whatever distance in time, cheap
 * and of a bounded rate. The picture is kept here as planes of 4:2:0 and changed tile by tile, so
 * that only what changed is converted. One thread at a time.
 */
#ifndef PANE_DISPLAY_RECORD_H264_H
#define PANE_DISPLAY_RECORD_H264_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define H264_FRAME_MS 100 /* frames are not nearer, by which the rate is bounded */

struct h264;

struct h264_frame {
	const uint8_t *data; /* NAL units after their lengths; the encoder's until its next use */
	size_t n;
	bool key;
};

/* width and height as on the screen; NULL when there is no memory, or no encoder for that size. */
struct h264 *h264_new(uint32_t width, uint32_t height);
void h264_free(struct h264 *h); /* NULL is fine */
/* AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3); the number of bytes or -errno. */
int h264_config(struct h264 *h, uint8_t *out, size_t size) must_check;
/* w x h pixels (XRGB, at most a tile) at x, y, which are even; whether that changed anything. */
bool h264_tile(struct h264 *h, uint32_t x, uint32_t y, uint32_t w, uint32_t rows, uint32_t *px,
	       size_t stride_px) must_check;
/* The picture as it is now. */
int h264_encode(struct h264 *h, bool key, struct h264_frame *f) must_check;

#endif
