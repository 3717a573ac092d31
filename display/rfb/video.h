/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Open H.264, rfbproto 7.7.x "Open H.264 Encoding" (50), which the library does not have: what
 * moves goes as one rectangle with one H.264 picture in it to a client that lists the encoding. The
 * client keeps a decoder for each rectangle (x, y, width, height), so the rectangle stays the same
 * from picture to picture, and whenever ours starts anew it is told to forget its decoders.
 * All in the viewer's thread.
 */
#ifndef PANE_DISPLAY_RFB_VIDEO_H
#define PANE_DISPLAY_RFB_VIDEO_H

#include <rfb/rfb.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"
#include "display/avc.h"

struct rfb_video {
	struct avc *avc;	  /* owned; NULL while nothing moves */
	struct surface_rect rect; /* what it encodes */
	bool fresh;		  /* the client's decoders know nothing of it yet */
	int64_t used_ms;	  /* clock_ms() of the last picture */
	uint32_t pictures;	  /* sent so far */
};

/* Once, before threads. */
void disp_rfb_video_setup(void);
void disp_rfb_video_fini(struct rfb_video *v);
/* Whether the client listed the encoding, and shows it where it belongs. */
bool disp_rfb_video_wanted(rfbClientPtr cl);
/* H.264 has even sides only: makes r even without leaving the tiles it touches or the picture.
 * False where that cannot be. */
bool disp_rfb_video_even(struct surface_rect *r, uint32_t width, uint32_t height);
/* Sends r as an update of its own. pixels: the picture's first; stride in pixels. 1 when it went
 * out, 0 when it cannot be sent this way, -errno. */
int disp_rfb_video_send(struct rfb_video *v, rfbClientPtr cl, const struct surface_rect *r,
			const uint32_t *pixels, size_t stride_px) must_check;
/* Starts over with the next picture. */
void disp_rfb_video_forget(struct rfb_video *v);
/* Gives back what a video that is over took. In how many ms there will be something to give back;
 * -1 = nothing is lent. */
int disp_rfb_video_tidy(struct rfb_video *v, int64_t now_ms);

#endif
