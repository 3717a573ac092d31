/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's RDP input events to the desktop's evdev ones. Called by FreeRDP in the viewer's
 * thread.
 */
#ifndef PANE_DISPLAY_RDP_INPUT_H
#define PANE_DISPLAY_RDP_INPUT_H

#include <freerdp/freerdp.h>
#include "display/viewer.h"

struct rdp_peer;

/* The context FreeRDP allocates for a peer. */
struct peer_context {
	rdpContext base; /* first: FreeRDP knows only this */
	struct rdp_peer *peer;
	struct disp_viewer *viewer; /* borrowed */
	bool pause;		    /* E1 1D was seen: the 45 that follows belongs to it */
	uint16_t surrogate;	    /* the first half of a character in UTF-16; 0 = none */
};

/* A unit of UTF-16 after another: the character's code point, 0 while it is not whole. Halves
 * without their other are dropped. */
uint32_t disp_rdp_unicode(uint16_t *surrogate, uint16_t unit);
void disp_rdp_input_setup(rdpInput *input);

#endif
