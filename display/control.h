/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host agent's line to a display (docs/contracts.md, "Host agent -> pane-display"): it came
 * through the door as protocol "control", is told when viewers use their keyboard or pointer, and
 * says which messages are to be shown and what to record to. One at a time, the newest; an agent
 * that comes back brings a new one. Main thread.
 *
 * Who types is told at once, who goes on typing once a second, who does nothing costs nothing.
 */
#ifndef PANE_DISPLAY_CONTROL_H
#define PANE_DISPLAY_CONTROL_H

#include "display/viewer.h"

struct disp_control;
struct disp_message;
struct disp_overlay;

/* screen: what is recorded. */
struct disp_control *disp_control_new(struct loop *l, struct disp_viewers *viewers,
				      struct disp_overlay *overlay,
				      struct disp_screen *screen) must_check;
void disp_control_free(struct disp_control *c); /* NULL is fine */
/* Takes the descriptor, non-blocking, over. */
void disp_control_add(struct disp_control *c, int fd);
/* A question was answered, which the agent is told. */
void disp_control_answered(struct disp_control *c, const char *id, bool yes);
/* Whether the desktop's user can be told anything. */
bool disp_control_tells(const struct disp_control *c);
/* So many viewers there are now: without any nothing is recorded, and who comes is told. */
void disp_control_count(struct disp_control *c, unsigned count);

/* One line of the agent's, for tests and the above: how many messages there are to be now (v holds
 * DISP_MESSAGES), -ENOENT for something unknown, -EPROTO. */
int disp_control_line(const char *p, size_t n, struct disp_message *v) must_check;

#endif
