/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The system calls a desktop may make: a seccomp allow-list, as the programs that bubblewrap's
 * --add-seccomp-fd takes.
 */
#ifndef PANE_CELL_FILTER_H
#define PANE_CELL_FILTER_H

#include "common/cleanup.h"
#include "common/err.h"

/* Descriptors, at offset 0, of compiled filters; both apply. */
int cell_filter_calls(struct err *e) must_check;
int cell_filter_errors(struct err *e) must_check;

#endif
