/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clipboard between the desktop and its viewers. Text moves only when somebody pastes: an offer
 * tells that there is some, a request fetches it, and what was fetched is kept until the next
 * offer, for other viewers. The newest offer of either side is the one that counts.
 *
 * Which ways are open is fixed at the start. All functions take the lock and may be called from any
 * thread; viewers are woken through their feeds. Text is UTF-8 with LF, at most SURFACE_CLIP_MAX.
 */
#ifndef PANE_DISPLAY_CLIP_H
#define PANE_DISPLAY_CLIP_H

#include <stdbool.h>
#include "display/screen.h"

struct disp_source;
struct disp_clip;

struct disp_clip *disp_clip_new(struct disp_screen *screen, unsigned ways);
void disp_clip_free(struct disp_clip *c);
unsigned disp_clip_ways(const struct disp_clip *c); /* enum surface_clip_way */

/* ---- a viewer ---- */

/* True once for each new selection of the desktop that has text; *seen is the viewer's, 0 first. */
bool disp_clip_offered(struct disp_clip *c, uint32_t *seen);
/* Fetches the selection's text unless it is here or under way. */
void disp_clip_want(struct disp_clip *c, struct disp_source *s);
/* The text: 1 and a copy the caller frees, 0 while it is under way, -ENOENT when there is none. */
int disp_clip_text(struct disp_clip *c, char **text, size_t *n) must_check;
/* The viewer (any pointer of its own) has something to paste. */
void disp_clip_own(struct disp_clip *c, const void *viewer, struct disp_source *s);
/* It has not any more: it left, or its clipboard holds something else. */
void disp_clip_disown(struct disp_clip *c, const void *viewer, struct disp_source *s);
/* True once when the desktop pastes what this viewer has: answer by disp_clip_give(). */
bool disp_clip_wanted(struct disp_clip *c, const void *viewer);
/* text NULL: it could not be had. */
void disp_clip_give(struct disp_clip *c, const void *viewer, struct disp_source *s,
		    const char *text, size_t n);

/* ---- the source, in the main thread ---- */

void disp_clip_on_offer(struct disp_clip *c, uint32_t serial, uint32_t formats);
/* Takes text over; NULL: it could not be had. */
void disp_clip_on_data(struct disp_clip *c, uint32_t serial, char *text, size_t n);
/* False when nobody has that any more. */
bool disp_clip_on_request(struct disp_clip *c, uint32_t serial, uint32_t format);
/* The serial on offer to the desktop, 0 = none: for a desktop that comes back. */
uint32_t disp_clip_in_serial(struct disp_clip *c);

#endif
