/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * QEMU Audio, rfbproto "QEMU Audio Client Message" and "QEMU Audio Server Message" (pseudo-encoding
 * -259): the state between what the desktop plays and one client that asked to hear it. Knows
 * nothing of the library; what is to be sent goes to a callback. All in the viewer's thread.
 *
 * Samples are little-endian, and 44100 Hz, 16 bits, stereo until the client says otherwise: the
 * specification says neither, QEMU and its clients do it so.
 *
 * Sound waits for nobody: with a client that knows fences at most RFB_AUDIO_AHEAD_MS is not known
 * to have been read, beyond the time a fence takes at best. Of any other only the own socket is
 * known: while that is not nearly empty nothing is added. What could not be sent meanwhile is lost
 * in the middle, so that a client hears the newest sound.
 */
#ifndef PANE_DISPLAY_RFB_AUDIO_H
#define PANE_DISPLAY_RFB_AUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "display/rfb/pcm.h"
#include "display/sound.h"

#define RFB_AUDIO_ENCODING (-259)
#define RFB_QEMU_MESSAGE   255 /* message type, both ways */
#define RFB_AUDIO_HEAD	   3   /* bytes after the type that every message of a client has */
#define RFB_AUDIO_MESSAGE  9   /* and the longest has */
#define RFB_AUDIO_AHEAD_MS 150
#define RFB_AUDIO_LATE_MS  200
#define RFB_AUDIO_BLOCKS   64 /* not known to have been read, at most */

struct rfb_audio_block {
	uint32_t frames, rate;
	int64_t sent_ms;
};

/* How messages leave. The numbers of mark() come back by disp_rfb_audio_read(), in order, once the
 * client has read everything before them. */
struct rfb_audio_out {
	int (*send)(void *arg, const uint8_t *p, size_t n);
	int (*mark)(void *arg, uint32_t number);
	void *arg; /* borrowed */
};

struct rfb_audio {
	struct disp_sound *sound; /* borrowed; NULL = this viewer is not to hear anything */
	struct rfb_audio_out out;
	struct disp_ear ear;				/* listens while on */
	bool on;					/* the client wants it */
	bool playing;					/* it was told of a stream */
	struct pcm_format format;			/* that it wants */
	uint32_t sent, read;				/* blocks */
	struct rfb_audio_block block[RFB_AUDIO_BLOCKS]; /* by number */
	int64_t best_ms; /* the shortest way there and back; 0 = none yet */
	uint64_t blocks, bytes;
	struct pcm pcm;
	uint8_t heard[PCM_BLOCK * DISP_SOUND_FRAME];
	uint8_t message[8 + PCM_BYTES];
};

/* wake_fd: borrowed eventfd, set when there is something to run for. */
void disp_rfb_audio_init(struct rfb_audio *a, struct disp_sound *sound, int wake_fd,
			 const struct rfb_audio_out *out);
void disp_rfb_audio_fini(struct rfb_audio *a);
/* Whether a client that lists the encoding is told that it is known. */
bool disp_rfb_audio_allowed(const struct rfb_audio *a);
/* How many bytes follow a message's head; -EPROTO for one there is not. */
int disp_rfb_audio_rest(const uint8_t head[RFB_AUDIO_HEAD]) must_check;
/* A whole message, from its submessage type on; -EPROTO ends the client. */
int disp_rfb_audio_receive(struct rfb_audio *a, const uint8_t *p, size_t n) must_check;
/* The client has read everything up to this mark. */
void disp_rfb_audio_read(struct rfb_audio *a, uint32_t number, int64_t now_ms);
/* Sends what the ear has not had and the client may get. fences: it answers them; room: its socket
 * is nearly empty. */
int disp_rfb_audio_run(struct rfb_audio *a, bool fences, bool room, int64_t now_ms) must_check;

#endif
