/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host agent's line to a display (docs/contracts.md, "Host agent -> pane-display"): it came
 * through the door as protocol "control" and is told when viewers use their keyboard or pointer.
 * One at a time, the newest; an agent that comes back brings a new one. Main thread.
 *
 * Who types is told at once, who goes on typing once a second, who does nothing costs nothing.
 */
#ifndef PANE_DISPLAY_CONTROL_H
#define PANE_DISPLAY_CONTROL_H

#include "display/viewer.h"

struct disp_control;

struct disp_control *disp_control_new(struct loop *l, struct disp_viewers *viewers) must_check;
void disp_control_free(struct disp_control *c); /* NULL is fine */
/* Takes the descriptor, non-blocking, over. */
void disp_control_add(struct disp_control *c, int fd);

#endif
