/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Audio output towards one client, [MS-RDPEA]: the state between what the desktop plays and the
 * channel, dynamic (AUDIO_PLAYBACK_DVC) or static (rdpsnd), which speak the same. Knows nothing of
 * FreeRDP; what is to be sent goes to a callback. All in the viewer's thread.
 *
 * Sound waits for confirmation, never in a queue: at most RDPSND_AHEAD_MS is unconfirmed beyond the
 * time a confirmation takes at best, and what could not be sent meanwhile is lost in the middle, so
 * that a client hears the newest sound, late by RDPSND_LATE_MS at most.
 */
#ifndef PANE_DISPLAY_RDP_RDPSND_H
#define PANE_DISPLAY_RDP_RDPSND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "display/sound.h"

#define RDPSND_AHEAD_MS	    150
#define RDPSND_LATE_MS	    200
#define RDPSND_BLOCK_FRAMES 2048
#define RDPSND_BLOCKS	    64 /* unconfirmed at most; less than half of what a block number tells */

typedef int (*rdpsnd_send_fn)(void *arg, const uint8_t *p, size_t n);

enum rdpsnd_state {
	RDPSND_CLOSED,
	RDPSND_OFFERED,	 /* our formats were sent */
	RDPSND_TRAINING, /* the client's came */
	RDPSND_READY,
	RDPSND_DEAF /* it plays nothing that we have */
};

struct rdpsnd_block {
	uint32_t frames, rate;
	int64_t sent_ms;
};

struct rdpsnd {
	rdpsnd_send_fn send;
	void *arg; /* borrowed; first argument of send */
	enum rdpsnd_state state;
	bool wave2;	     /* [MS-RDPEA] 2.2.3.10, version 8 */
	int format[2];	     /* in the client's list, of RDPSND_RATES; -1 = it has it not */
	struct disp_ear ear; /* listens while the state is READY */
	uint8_t next;	     /* number of the next block */
	uint32_t in_flight;  /* blocks; the oldest is next - in_flight */
	struct rdpsnd_block block[256];
	int64_t best_ms; /* the shortest confirmation; 0 before the first */
	bool playing;	 /* since the last SNDC_CLOSE */
	uint64_t blocks, bytes;
	uint8_t out[RDPSND_BLOCK_FRAMES * DISP_SOUND_FRAME + 16];
};

void disp_rdpsnd_init(struct rdpsnd *s, rdpsnd_send_fn send, void *arg);
/* The channel is open: offers our formats. */
int disp_rdpsnd_open(struct rdpsnd *s) must_check;
/* A message from the client; -EPROTO ends the client. */
int disp_rdpsnd_receive(struct rdpsnd *s, const uint8_t *p, size_t n, int64_t now_ms) must_check;
/* Sends what the ear has not had and the client may get. */
int disp_rdpsnd_run(struct rdpsnd *s, struct disp_sound *sound, int64_t now_ms) must_check;

#endif
