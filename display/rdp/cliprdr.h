/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clipboard channel of one RDP client, [MS-RDPECLIP], text only: FreeRDP's server channel for
 * the messages, polled from the viewer's loop. Either side announces what it has and sends it when
 * the other pastes. The channel is closed to files, and locks nothing.
 */
#ifndef PANE_DISPLAY_RDP_CLIPRDR_H
#define PANE_DISPLAY_RDP_CLIPRDR_H

#include <freerdp/server/cliprdr.h>
#include "display/viewer.h"

struct rdp_clip {
	CliprdrServerContext *context; /* owned; NULL = not open */
	struct disp_viewer *viewer;    /* borrowed */
	bool tried;
	uint32_t seen;	   /* the desktop's last offer */
	bool client_waits; /* it pastes: an answer is due */
	bool client_asked; /* the client was asked for its text */
	bool client_has;   /* text */
};

/* Opens the channel once the client has joined it; called whenever something came. 0 or -EPIPE. */
int disp_rdp_clip_run(struct rdp_clip *c, struct disp_viewer *v, HANDLE vcm) must_check;
void disp_rdp_clip_fini(struct rdp_clip *c);

#endif
