/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Records what viewers are shown, with the pointer, to a descriptor the host agent hands over
 * (control.h): Matroska (mkv.h) with H.264 (h264.h). A thread of its own a recording, which is a
 * reader of the screen as viewers are: a slow or full disk delays or ends it, and nothing else.
 * Frames are as far apart as changes are, and at least H264_FRAME_MS.
 *
 * A recording has one size: it ends when the screen's changes, and the agent begins another. All
 * functions are the main thread's.
 */
#ifndef PANE_DISPLAY_RECORD_RECORDER_H
#define PANE_DISPLAY_RECORD_RECORDER_H

#include "common/loop.h"
#include "display/screen.h"

#define DISP_RECORD_KEY_MS 20000 /* a frame a player can begin with, so often at most */
#define DISP_RECORD_ID	   40

struct disp_recorder;

/* A recording has ended, of so many bytes; why: DISP_RECORD_STOPPED or another word. failed: not
 * everything is in it that was to be seen. */
typedef void (*disp_record_fn)(void *arg, const char *id, uint64_t bytes, const char *why,
			       bool failed);

struct disp_recorder *disp_recorder_new(struct loop *l, struct disp_screen *s, disp_record_fn fn,
					void *arg);
/* Finishes what is being recorded, and waits for it. */
void disp_recorder_free(struct disp_recorder *r); /* NULL is fine */
/* Ends the recording under way and begins another. fd is taken over, whatever happens; max_bytes:
 * then it is over. */
int disp_recorder_start(struct disp_recorder *r, const char *id, int fd, uint64_t max_bytes,
			const char *title) must_check;
void disp_recorder_stop(struct disp_recorder *r);
bool disp_recorder_on(const struct disp_recorder *r);

#endif
