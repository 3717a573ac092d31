/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connects to the desktop's surface for a process that may not: a child, forked before the sandbox
 * is entered, that can do nothing but connect to the one path it was given and hand the descriptor
 * over. It ends when its parent does.
 */
#ifndef PANE_DISPLAY_DIALER_H
#define PANE_DISPLAY_DIALER_H

#include "common/cleanup.h"
#include "common/err.h"

struct disp_dialer;

/* Before any other thread exists. */
struct disp_dialer *disp_dialer_new(const char *path, struct err *e) must_check;
void disp_dialer_free(struct disp_dialer *d);
/* A SOCK_SEQPACKET connection (non-blocking, close-on-exec) or a negative errno. One thread. */
int disp_dialer_connect(struct disp_dialer *d) must_check;

#endif
