/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The planner turns "these tiles changed" into few drawing operations for one viewer, whatever
 * its protocol. It owns the viewer's copy of the picture: exactly what the writer was last told,
 * so a tile that changed and changed back between two frames costs nothing, and an encoder never
 * reads memory another thread writes.
 *
 * The protocol side (a disp_writer) decides when to call disp_planner_step(): when its window is
 * open. Frames are never queued; a step always sends the newest picture. Runs in the viewer's
 * thread; only the taking of changes holds the screen's lock.
 */
#ifndef PANE_DISPLAY_PLANNER_H
#define PANE_DISPLAY_PLANNER_H

#include "display/screen.h"

#define DISP_MAX_IMAGE_ROWS 256 /* an image operation is never taller, to bound buffers */

struct disp_writer {
	/* Every call returns 0 or a negative errno, which ends the step with that. */
	int (*resize)(void *w, uint32_t width, uint32_t height, uint32_t *pixels);
	int (*begin)(void *w);
	int (*solid)(void *w, const struct surface_rect *r, uint32_t xrgb);
	/* pixels: the first of r; stride in pixels. Valid during the call. */
	int (*image)(void *w, const struct surface_rect *r, const uint32_t *pixels,
		     size_t stride_px);
	int (*end)(void *w);
	int (*cursor)(void *w, const struct disp_cursor *c);
};

struct disp_change; /* one tile's changed box */

struct disp_planner {
	struct disp_screen *screen;    /* borrowed */
	const struct disp_writer *ops; /* borrowed */
	void *writer;		       /* borrowed; first argument of ops */
	struct disp_feed feed;
	uint32_t generation, width, height; /* of pixels */
	uint32_t *pixels;		    /* owned; the viewer's picture */
	struct disp_change *changes;	    /* owned; one a tile */
	struct disp_cursor cursor;	    /* last one written */
	bool reshaped, cursor_new;	    /* what the last take found */
	uint32_t n_changes;
};

int disp_planner_init(struct disp_planner *p, struct disp_screen *s, const struct disp_writer *ops,
		      void *writer) must_check;
void disp_planner_fini(struct disp_planner *p);
/* Writes everything that changed. 1 when something was written, 0 when nothing changed. A writer's
 * error leaves the viewer's picture undefined: end the viewer. */
int disp_planner_step(struct disp_planner *p) must_check;
/* Forgets what was sent: the next step writes all of it (a client asked for a refresh). */
void disp_planner_refresh(struct disp_planner *p);

#endif
