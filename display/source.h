/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display's end of the surface protocol: connects to the desktop's socket, and again when the
 * desktop goes and comes back; copies damaged pixels out of the scanout into the screen; carries
 * the viewers' input to the desktop.
 *
 * Pixels are read with pread(2), never through a mapping: a desktop that truncates its scanout
 * under us causes a short read, not SIGBUS. Received messages are handled in the main thread;
 * the disp_source_* input calls may come from any thread. Input waits in a bounded queue while
 * the desktop does not read: motion is replaced by newer motion, and when the queue is full the
 * newest event is dropped, except that a release is never lost (its press is what is dropped).
 */
#ifndef PANE_DISPLAY_SOURCE_H
#define PANE_DISPLAY_SOURCE_H

#include "common/loop.h"
#include "display/screen.h"

struct disp_clip;
struct disp_dialer;
struct disp_mic;
struct disp_sound;
struct disp_source;

struct disp_source *disp_source_new(struct loop *l, struct disp_dialer *dialer,
				    struct disp_screen *screen);
void disp_source_free(struct disp_source *s);

void disp_source_key(struct disp_source *s, uint32_t code, bool down);
void disp_source_button(struct disp_source *s, uint32_t code, bool down);
void disp_source_pointer(struct disp_source *s, uint32_t x, uint32_t y);
void disp_source_motion(struct disp_source *s, int32_t dx, int32_t dy);
void disp_source_wheel(struct disp_source *s, int32_t vertical, int32_t horizontal);
/* Types a character (surface.h); false when the desktop cannot. */
bool disp_source_keysym(struct disp_source *s, uint32_t keysym);
/* The keyboard in front of the user; said again to a new desktop. */
void disp_source_layout(struct disp_source *s, uint32_t layout);
/* Whether the desktop's keys may not be those of a US keyboard. */
bool disp_source_foreign(struct disp_source *s);
void disp_source_resize(struct disp_source *s, uint32_t width, uint32_t height, uint32_t scale);
/* The same for monitors (1 to SURFACE_MAX_MONITORS; their corner is at 0, 0), the primary first. */
void disp_source_monitors(struct disp_source *s, uint32_t n, const struct surface_rect *rects,
			  uint32_t scale);
/* At most so many of what is asked for; what lies beyond is left out. Before the loop runs; without
 * it SURFACE_MAX_MONITORS. */
void disp_source_set_most_monitors(struct disp_source *s, uint32_t most);
uint32_t disp_source_most_monitors(const struct disp_source *s);
/* The monitors last asked for, where they make up this size; else one of all of it. How many. */
uint32_t disp_source_monitors_of(struct disp_source *s, uint32_t width, uint32_t height,
				 struct surface_rect out[SURFACE_MAX_MONITORS]);
void disp_source_viewers(struct disp_source *s, uint32_t n);

/* Before the loop runs; NULL: no clipboard. Borrowed. */
void disp_source_set_clip(struct disp_source *s, struct disp_clip *clip);
/* Likewise, of sound. */
void disp_source_set_sound(struct disp_source *s, struct disp_sound *sound);
/* Likewise, of microphones; what they hear is never queued. */
void disp_source_set_mic(struct disp_source *s, struct disp_mic *mic);
/* SURFACE_CLIP_OFFER or _REQUEST; nothing while the desktop has no clipboard. */
void disp_source_clip(struct disp_source *s, enum surface_type type, uint32_t serial,
		      uint32_t format);
/* Answers a request; text NULL: it could not be had. */
void disp_source_clip_data(struct disp_source *s, uint32_t serial, const char *text, size_t n);

#endif
