/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display's listener: takes one preface from each connection (common/preface.h), answers it,
 * and hands the stream to a viewer, or to the control line of the host agent. A connection that has
 * not said its preface in DISP_PREFACE_MS is closed. Main thread.
 */
#ifndef PANE_DISPLAY_DOOR_H
#define PANE_DISPLAY_DOOR_H

#include "common/err.h"
#include "display/viewer.h"

#define DISP_PREFACE_MS	 10000
#define DISP_MAX_WAITING 32 /* connections without a preface yet */

struct disp_control;
struct disp_door;

struct disp_door *disp_door_new(struct loop *l, const char *path, struct disp_viewers *viewers,
				struct disp_control *control, struct err *e) must_check;
void disp_door_free(struct disp_door *d);

#endif
