/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Audio input from one client, [MS-RDPEAI]: what is said on the dynamic channel AUDIO_INPUT, which
 * is open as long as somebody in the desktop records. The client is offered 16-bit PCM at the rate
 * that the desktop records at, mono or stereo; what comes is mono. Knows nothing of FreeRDP; what
 * is to be sent, and what was heard, goes to callbacks. All in the viewer's thread.
 */
#ifndef PANE_DISPLAY_RDP_AUDIN_H
#define PANE_DISPLAY_RDP_AUDIN_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define AUDIN_CHANNEL	"AUDIO_INPUT"
#define AUDIN_PACKET_MS 20   /* of sound in what a client sends at a time */
#define AUDIN_FRAMES	1024 /* handed on at a time, at most */

enum audin_state {
	AUDIN_CLOSED,
	AUDIN_GREETED, /* our version was sent */
	AUDIN_OFFERED, /* our formats were */
	AUDIN_OPENING, /* it was told to open its device */
	AUDIN_OPEN,
	AUDIN_DUMB /* it has no such format, or no device */
};

struct audin_ops {
	int (*send)(void *arg, const uint8_t *p, size_t n);
	/* frames (S16LE mono) at the rate it was opened for. */
	void (*heard)(void *arg, const uint8_t *p, size_t frames);
};

struct audin {
	struct audin_ops ops;
	void *arg; /* borrowed; first argument of both */
	enum audin_state state;
	uint32_t rate;
	uint32_t n_formats; /* in the client's list */
	int format[2];	    /* there, of PCM with one channel and with two; -1 = it has it not */
	uint32_t channels;  /* of what comes; 0: of a format that we do not have */
	uint8_t mono[AUDIN_FRAMES * 2];
};

void disp_audin_init(struct audin *a, const struct audin_ops *ops, void *arg);
/* The channel is open: greets the client, for this rate. */
int disp_audin_open(struct audin *a, uint32_t rate) must_check;
/* A message from the client; -EPROTO ends the client. */
int disp_audin_receive(struct audin *a, const uint8_t *p, size_t n) must_check;
/* The channel was closed. */
void disp_audin_close(struct audin *a);

#endif
