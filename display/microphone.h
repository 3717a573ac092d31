/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The viewers' microphones, towards the desktop (common/surface.h): at most one is open, and only
 * while somebody in the desktop records. Of the viewers that could speak it is the one who came
 * last: who sits down at another place speaks there.
 *
 * Whether sound may go in is fixed at the start. All functions may be called from any thread; the
 * lock is held while the desktop is told (the source's is the inner one). Sound is S16LE mono,
 * DISP_MIC_FRAME bytes a frame. Nothing waits: what comes faster than sound does, as after a stall
 * of the network, is lost beyond DISP_MIC_BURST_MS.
 */
#ifndef PANE_DISPLAY_MICROPHONE_H
#define PANE_DISPLAY_MICROPHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

#define DISP_MIC_FRAME	  SURFACE_VOICE_FRAME
#define DISP_MIC_BURST_MS 200

struct disp_mic;

/* A viewer that could speak. Fields are the lock's but wake_fd, which is constant while it may. */
struct disp_mouth {
	struct disp_mouth *next;
	int wake_fd;	    /* borrowed eventfd; set when it is to begin or to end */
	uint64_t said;	    /* frames that went to the desktop */
	uint64_t lost;	    /* frames that came too fast */
	int64_t credit;	    /* thousandths of a frame that may come at once */
	int64_t counted_ms; /* clock_ms() of the credit; 0 before the first frames */
};

typedef void (*disp_mic_send_fn)(void *arg, uint32_t rate, const uint8_t *p, size_t frames);

struct disp_mic *disp_mic_new(bool allowed);
void disp_mic_free(struct disp_mic *m);
bool disp_mic_allowed(const struct disp_mic *m);
/* Before the loop runs: who takes what is said. */
void disp_mic_set_send(struct disp_mic *m, disp_mic_send_fn send, void *arg);

/* ---- a viewer ---- */

/* The mouth (on the heap or in a viewer) with its wake_fd. Does nothing for one that has joined. */
void disp_mic_join(struct disp_mic *m, struct disp_mouth *v);
void disp_mic_leave(struct disp_mic *m, struct disp_mouth *v);
/* The rate that this viewer's microphone is to be open at; 0: it is to be closed. */
uint32_t disp_mic_wanted(struct disp_mic *m, const struct disp_mouth *v);
/* What it heard; dropped unless it is wanted at this rate. */
void disp_mic_say(struct disp_mic *m, struct disp_mouth *v, uint32_t rate, const uint8_t *p,
		  size_t frames, int64_t now_ms);

/* ---- the source ---- */

/* Somebody in the desktop records at this rate; 0: nobody. */
void disp_mic_record(struct disp_mic *m, uint32_t rate);

#endif
