/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds what moved between two pictures nobody explained: a page that scrolled, a window that was
 * dragged. What is found is exact; that there was more to find is likely.
 *
 * Anchors are short runs of pixels chosen by their content, so the same content is chosen wherever
 * it lies; each is known by a hash of the block it starts. Anchors of the new picture vote for the
 * distance to their only like in the old one. The cells that agree with the winner are joined to
 * the largest rectangle, whose edges are then moved out pixel by pixel. The distance that worked
 * last time is tried first, without any hashing.
 */
#ifndef PANE_DISPLAY_SCROLL_H
#define PANE_DISPLAY_SCROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

struct disp_scroll;

/* now(to) == old(to moved back by dx, dy), exactly. */
struct disp_move {
	struct surface_rect to;
	int32_t dx, dy;
};

struct disp_scroll *disp_scroll_new(void);
void disp_scroll_free(struct disp_scroll *s);
/* Looks inside area, which holds all that changed; at least 128 x 64 pixels, or nothing is looked
 * for. True when *m was filled. stride_px is both pictures' row distance. */
bool disp_scroll_find(struct disp_scroll *s, const uint32_t *old, const uint32_t *now,
		      size_t stride_px, struct surface_rect area, struct disp_move *m);
/* Starts a frame: the distance that worked last is to be tried first, and a search that keeps
 * failing is done only now and then. */
void disp_scroll_begin(struct disp_scroll *s);
/* Moves the pixels of a picture as m says. */
void disp_scroll_apply(uint32_t *pixels, size_t stride_px, const struct disp_move *m);

#endif
