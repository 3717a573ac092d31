/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of a frame may be shown about right at first (photos, videos), and when that is made exact.
 *
 * A tile is a candidate when most of it changed and it has the colours of a photo, or fewer while
 * it keeps changing several times a second, or when it is blurred already. When candidates cover
 * enough, the rectangle around them is blurred: one operation, and every tile it touches is
 * remembered. The rectangle stays the same while a video plays. A blurred tile that has been quiet
 * for a while is sharpened, a few a frame, so that anything new comes first.
 */
#ifndef PANE_DISPLAY_MOTION_H
#define PANE_DISPLAY_MOTION_H

#include "display/join.h"
#include "display/scroll.h"

#define DISP_QUIET_MS 300 /* before a blurred tile is made exact */

struct disp_motion_tile {
	uint32_t changed_ms; /* low bits of the clock */
	uint8_t heat;	     /* changes that came one soon after the other */
	bool blurred;
};

struct disp_motion {
	struct disp_motion_tile *tiles; /* owned; one a tile */
	uint32_t width, height;		/* of the picture */
	struct surface_rect region;	/* blurred last; width 0 = none */
	int64_t region_ms;		/* when */
	unsigned narrow;		/* frames that needed little of it */
};

int disp_motion_reshape(struct disp_motion *m, uint32_t width, uint32_t height) must_check;
void disp_motion_fini(struct disp_motion *m);
/* What is moved takes its blur along. */
void disp_motion_moved(struct disp_motion *m, const struct disp_move *move);
/* Notes a frame's changes. With may_blur: true when *r is to be blurred; changes that lie in it are
 * taken out of the list then. */
bool disp_motion_judge(struct disp_motion *m, struct disp_change *changes, const uint32_t *pixels,
		       int64_t now_ms, bool may_blur, struct surface_rect *r);
/* A tile shows exactly what it should, by other means. */
void disp_motion_exact(struct disp_motion *m, uint32_t tile, int64_t now_ms);
/* Makes blurred tiles that are due the changes, at most max: how many. */
uint32_t disp_motion_sharpen(struct disp_motion *m, struct disp_change *changes, uint32_t max,
			     int64_t now_ms);
/* Milliseconds until a tile is due; -1 = none is blurred. */
int disp_motion_wait(const struct disp_motion *m, int64_t now_ms);

#endif
