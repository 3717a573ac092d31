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

#include "display/cache.h"
#include "display/join.h"
#include "display/motion.h"
#include "display/screen.h"
#include "display/scroll.h"

#define DISP_MAX_IMAGE_ROWS 256 /* an image operation is never taller, to bound buffers */
#define DISP_MAX_MOVES	    4	/* a frame */

struct disp_writer {
	/* Every call returns 0 or a negative errno, which ends the step with that. A frame's moves
	 * come before all else in it, and its lossy picture after. */
	int (*resize)(void *w, uint32_t width, uint32_t height, uint32_t *pixels);
	int (*begin)(void *w);
	/* The viewer moves what it shows. Only called when DISP_CAN_MOVE is set. */
	int (*move)(void *w, const struct disp_move *m);
	int (*solid)(void *w, const struct surface_rect *r, uint32_t xrgb);
	/* pixels: the first of r; stride in pixels. Valid during the call. */
	int (*image)(void *w, const struct surface_rect *r, const uint32_t *pixels,
		     size_t stride_px);
	/* The same, to be shown about right and soon. Only called when DISP_CAN_BLUR is set, at
	 * most once a frame. A rectangle that stays the same from frame to frame is a video. */
	int (*blur)(void *w, const struct surface_rect *r, const uint32_t *pixels,
		    size_t stride_px);
	int (*end)(void *w);
	int (*cursor)(void *w, const struct disp_cursor *c);
	/* The viewer remembers what it shows in r by a slot; it shows at r what it remembers by it.
	 * Only called when DISP_CAN_CACHE is set; these come before a frame's moves. */
	int (*keep)(void *w, uint16_t slot, const struct surface_rect *r);
	/* It forgets a slot, to have room: before anything is kept. */
	int (*drop)(void *w, uint16_t slot);
	int (*recall)(void *w, uint16_t slot, const struct surface_rect *r);
};

enum disp_can {
	DISP_CAN_MOVE = 1,
	DISP_CAN_BLUR = 2,
	DISP_CAN_CACHE = 4
};

/* A block in this frame. */
struct disp_recall {
	struct surface_rect r;
	uint16_t slot;
};

struct disp_planner {
	struct disp_screen *screen;    /* borrowed */
	const struct disp_writer *ops; /* borrowed */
	void *writer;		       /* borrowed; first argument of ops */
	unsigned can;		       /* the writer's to set: enum disp_can */
	bool spare;		       /* the writer's to set: the line is free for sharpening */
	uint32_t spare_tiles;	       /* the writer's to set: so many at once */
	struct disp_feed feed;
	uint32_t generation, width, height; /* of pixels */
	uint32_t *pixels;		    /* owned; the viewer's picture, blurred parts aside */
	/* Where the desktop's picture is read to, owned: a row of tiles at a time, or all of it
	 * where moves are looked for; its first pixel is that of row now_y. NULL until something
	 * is. */
	uint32_t *now;
	uint32_t now_y;
	bool now_all;
	int64_t all_ms;		     /* when all of it was needed last */
	struct disp_change *changes; /* owned; one a tile */
	struct disp_scroll *scroll;  /* owned */
	struct disp_move moves[DISP_MAX_MOVES];
	unsigned n_moves;
	uint32_t cache_slots;	   /* the writer's to set: what the viewer remembers */
	uint64_t cache_bytes;	   /* the same */
	struct disp_cache *cache;  /* owned; NULL until there is something in it */
	struct disp_recall *keeps; /* owned; one a block, as recalls */
	struct disp_recall *recalls;
	const uint16_t *drops;	       /* the cache's; slots */
	struct disp_block *going;      /* owned; one a block: what may be kept of this frame */
	struct surface_rect *going_at; /* owned */
	uint8_t *recalled;	       /* owned; one a tile: enum in planner.c */
	uint32_t n_going, n_keeps, n_recalls, n_drops;
	int64_t move_ms; /* when something moved last */
	struct disp_motion motion;
	struct disp_cursor cursor; /* last one written */
	bool reshaped, cursor_new; /* what the last take found */
	uint32_t n_changes;
};

int disp_planner_init(struct disp_planner *p, struct disp_screen *s, const struct disp_writer *ops,
		      void *writer) must_check;
void disp_planner_fini(struct disp_planner *p);
/* Writes everything that changed. 1 when something was written, 0 when nothing changed. A writer's
 * error leaves the viewer's picture undefined: end the viewer. */
int disp_planner_step(struct disp_planner *p) must_check;
/* Milliseconds until there is something to do without a change: blurred parts are to be sharpened
 * when they are quiet, and memory that was needed for much at once is given back, here. -1 = never.
 */
int disp_planner_wait(struct disp_planner *p);
/* Forgets what was sent: the next step writes all of it (a client asked for a refresh). */
void disp_planner_refresh(struct disp_planner *p);

#endif
