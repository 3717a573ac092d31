/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An RFB 3.8 client with security type None (the gateway has done VeNCrypt and the login), served
 * by libvncserver. Each viewer has a screen object of its own in its own thread: the library waits
 * up to 20 s for a client that does not read, and that must not be another viewer's wait.
 */
#ifndef PANE_DISPLAY_RFB_SERVER_H
#define PANE_DISPLAY_RFB_SERVER_H

#include "display/viewer.h"

/* Once, before threads and the sandbox. */
void disp_rfb_setup(void);
/* Runs the viewer in its thread; returns when it is over. The viewer keeps its descriptor. */
void disp_rfb_run(struct disp_viewer *v);

#endif
