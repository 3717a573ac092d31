/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the desktop plays, for the viewers that listen: a short private ring that the source fills
 * from the desktop's (common/surface.h), and an ear for each listener. While nobody listens there
 * is no ring, and the desktop is told so (with the lock held, so that the last word is the right
 * one; the source's lock is the inner one).
 *
 * Whether sound may leave the desktop is fixed at the start. All functions may be called from any
 * thread; ears are woken by their eventfd. Sound is S16LE stereo, DISP_SOUND_FRAME bytes a frame.
 */
#ifndef PANE_DISPLAY_SOUND_H
#define PANE_DISPLAY_SOUND_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

#define DISP_SOUND_FRAME SURFACE_AUDIO_FRAME
#define DISP_SOUND_BACK	 25 /* ms before the newest, where an ear begins, or goes on */

struct disp_sound;

/* A listener. Fields are the lock's but wake_fd, which is constant while it listens. */
struct disp_ear {
	struct disp_ear *next;
	int wake_fd;	 /* borrowed eventfd; set when there is something new */
	uint32_t stream; /* the one it hears; 0 = none */
	uint64_t pos;	 /* frames of it taken or lost */
	uint64_t lost;	 /* frames, of all streams */
};

/* What an ear gets. */
struct disp_heard {
	uint32_t rate;	 /* Hz; 0 = there is no sound now */
	bool ended;	 /* there was until just now, or another stream */
	uint32_t frames; /* copied */
};

struct disp_sound *disp_sound_new(bool allowed);
void disp_sound_free(struct disp_sound *s);
bool disp_sound_allowed(const struct disp_sound *s);
/* Before the loop runs: whom to tell whether somebody listens. */
void disp_sound_set_listen(struct disp_sound *s, void (*listen)(void *arg, bool on), void *arg);

/* ---- a viewer ---- */

/* The ear (on the heap or in a viewer) with its wake_fd. Does nothing for one that listens. */
void disp_sound_listen(struct disp_sound *s, struct disp_ear *e);
void disp_sound_leave(struct disp_sound *s, struct disp_ear *e);
/* Up to max frames that this ear has not had. One that is more than late_ms behind loses what is
 * between and goes on near the newest. */
void disp_sound_take(struct disp_sound *s, struct disp_ear *e, uint32_t late_ms, uint8_t *out,
		     uint32_t max, struct disp_heard *heard);

/* ---- the source, in the main thread ---- */

bool disp_sound_wanted(struct disp_sound *s); /* somebody listens */
/* Tells a desktop that has just come when somebody listens. */
void disp_sound_tell(struct disp_sound *s);
/* A stream begins (rate > 0, another than before), or there is none any more (0). */
void disp_sound_begin(struct disp_sound *s, uint32_t rate);
/* n frames of it, at its end. */
void disp_sound_store(struct disp_sound *s, const uint8_t *p, uint32_t n);

/* ---- the desktop's ring, in the main thread ---- */

/* Where a reader of the desktop's ring is. The desktop may write any position, and to the ring at
 * any moment: what does not follow from what was is where the reader goes on. */
struct disp_ring {
	int fd; /* owned; -1 = no stream */
	uint32_t stream, rate, frames;
	uint64_t pos; /* read up to here */
};

/* Takes over m->fd of an AUDIO. */
void disp_ring_begin(struct disp_ring *r, struct disp_sound *s, struct surface_msg *m);
void disp_ring_end(struct disp_ring *r, struct disp_sound *s);
/* Copies what is new up to pos into s: how many frames; -ENODATA when the ring is shorter than it
 * was, upon which the stream has ended. */
int disp_ring_read(struct disp_ring *r, struct disp_sound *s, uint32_t stream,
		   uint64_t pos) must_check;

#endif
