/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fence and ContinuousUpdates, rfbproto 7.4.7 and 7.4.8, which the library does not have: a client
 * that offers both gets updates without asking for each, as many under way as the round trip holds.
 * A fence after each update tells when the client has read it, and one after each block of sound.
 */
#ifndef PANE_DISPLAY_RFB_FLOW_H
#define PANE_DISPLAY_RFB_FLOW_H

#include <rfb/rfb.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define FLOW_WINDOW_MAX 16 /* updates */

struct rfb_flow {
	bool fence, offered; /* the client knows fences; it was told that we know the rest */
	bool continuous;
	uint16_t x, y, w, h;		/* of what it wants continuously */
	uint32_t sent, read;		/* updates; of the last fence that came back */
	int64_t at_ms[FLOW_WINDOW_MAX]; /* when an update went out, by its number */
	int64_t rtt_ms;			/* the shortest seen; 0 = none yet */
	uint32_t heard;			/* of the last mark of sound that came back */
};

/* Once, before threads. */
void disp_rfb_flow_setup(void);
/* The client's flow; f outlives it. */
void disp_rfb_flow_attach(rfbClientPtr cl, struct rfb_flow *f);
/* Asks in the client's name when its window is open. Call before looking whether it asked. */
void disp_rfb_flow_ask(rfbClientPtr cl);
/* An update went out. */
void disp_rfb_flow_sent(rfbClientPtr cl);
/* Marks where the client is in its sound: heard becomes number once it has read what is before. */
int disp_rfb_flow_mark(rfbClientPtr cl, uint32_t number) must_check;
/* How many updates may be under way. For tests too. */
uint32_t disp_rfb_flow_window(const struct rfb_flow *f);

#endif
