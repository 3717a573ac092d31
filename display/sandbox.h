/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What pane-display gives up once it is set up: new privileges, other programs, the network, core
 * dumps of what a user saw, and memory without bound.
 */
#ifndef PANE_DISPLAY_SANDBOX_H
#define PANE_DISPLAY_SANDBOX_H

#include "common/cleanup.h"
#include "common/err.h"

/* Applies to the calling thread and all it starts afterwards. limit_memory is off in sanitizer
 * builds, which reserve address space by the terabyte. */
int disp_sandbox_enter(struct err *e) must_check;

#endif
