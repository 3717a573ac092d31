/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * x264 as all its users here drive it: one thread, no look-ahead, no reordering, key frames when
 * asked for, a quality with a ceiling on the rate, full-range 4:2:0. What a user wants besides it
 * sets between the two calls. One thread an encoder.
 */
#ifndef PANE_DISPLAY_ENCODER_H
#define PANE_DISPLAY_ENCODER_H

#include <stdbool.h>
#include <stdint.h>
#include <x264.h>
#include "common/cleanup.h"

struct disp_encoder {
	x264_t *x264;		/* owned; NULL: not open */
	x264_picture_t picture; /* owned planes, to be filled before each frame */
	bool has_picture;
};

struct disp_encoder_rate {
	int quality;		   /* x264's constant rate factor */
	int kbit, buffer_kbit;	   /* ceiling a second, and over what it holds (VBV) */
	uint32_t fps_num, fps_den; /* what the ceiling takes a frame to be */
};

/* width and height: even, pixels. False where x264 has no such preset. */
bool disp_encoder_params(x264_param_t *p, uint32_t width, uint32_t height,
			 const struct disp_encoder_rate *rate) must_check;
/* False, with nothing to close, where there is no encoder or no memory. */
bool disp_encoder_open(struct disp_encoder *e, x264_param_t *p) must_check;
void disp_encoder_close(struct disp_encoder *e); /* twice is fine */

#endif
