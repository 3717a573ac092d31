/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What pane-display gives up once it is set up: files, sockets of its own, other programs and
 * processes, capabilities, core dumps of what a user saw, and memory without bound. What is left
 * is the descriptors it has, memory, threads and time.
 */
#ifndef PANE_DISPLAY_SANDBOX_H
#define PANE_DISPLAY_SANDBOX_H

#include "common/cleanup.h"
#include "common/err.h"

/* Lets libraries read now what they would read later. Before disp_sandbox_enter(). */
void disp_sandbox_prepare(void);
/* Applies to the calling thread and all it starts afterwards. Sanitizer builds, which need calls
 * of their own and address space by the terabyte, run without filter and limits, and say so. */
int disp_sandbox_enter(struct err *e) must_check;
/* The dialer's (dialer.h): connects unix sockets and passes them on. */
int disp_sandbox_dialer(struct err *e) must_check;

#endif
