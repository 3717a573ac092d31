/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One RDP client's microphone: opens the channel AUDIO_INPUT when the desktop records and it is
 * this viewer's turn (display/microphone.h), and closes it, which closes the client's device, when
 * that is over. In the viewer's thread. What the pool's policy forbids, and what the client did not
 * ask for (INFO_AUDIOCAPTURE, [MS-RDPBCGR] 2.2.1.11.1.1), has no channel.
 */
#ifndef PANE_DISPLAY_RDP_MIC_H
#define PANE_DISPLAY_RDP_MIC_H

#include <freerdp/settings.h>
#include <winpr/wtypes.h>
#include "display/rdp/audin.h"
#include "display/viewer.h"

struct rdp_mic {
	struct disp_viewer *viewer; /* borrowed; NULL: it never speaks */
	HANDLE handle;		    /* owned; NULL = not open */
	uint32_t id;
	bool ready, refused; /* what the client said to the channel */
	struct disp_mouth mouth;
	struct audin audin;
};

/* The dynamic channels can be opened: it may be asked to speak from now on. wake_fd: what wakes the
 * viewer's thread. */
void disp_rdp_mic_init(struct rdp_mic *m, struct disp_viewer *v, const rdpSettings *s, int wake_fd);
/* Whether it was this channel that the client took (status >= 0) or refused. */
bool disp_rdp_mic_created(struct rdp_mic *m, uint32_t id, int32_t status);
/* Whatever there is to do; called when something came. message: room for one, of `size` bytes. 0,
 * -EPIPE, or -EPROTO. */
int disp_rdp_mic_run(struct rdp_mic *m, HANDLE vcm, uint8_t *message, size_t size) must_check;
void disp_rdp_mic_fini(struct rdp_mic *m);

#endif
