/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An RDP client, from MCS Connect-Initial to the end, with FreeRDP's server core for the protocol
 * and our own graphics. The gateway has done X.224, TLS and the login (docs/contracts.md).
 */
#ifndef PANE_DISPLAY_RDP_PEER_H
#define PANE_DISPLAY_RDP_PEER_H

#include "display/viewer.h"

/* Once, before threads and the sandbox. */
void disp_rdp_setup(void);
/* Runs the viewer in its thread; returns when it is over. The viewer keeps its descriptor. */
void disp_rdp_run(struct disp_viewer *v);

#endif
