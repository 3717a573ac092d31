/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Another program's answer: its exit status and the beginning of what it printed.
 */
#ifndef PANE_DOCTOR_CHILD_H
#define PANE_DOCTOR_CHILD_H

#include <stddef.h>
#include "common/cleanup.h"

#define CHILD_WAIT_MS 10000

/* Runs argv (by PATH), standard output and error into out, cut at n. Its exit status; 127 when
 * there is no such program; -ETIMEDOUT when it had to be killed; other negative errno. */
int child_run(const char *const *argv, char *out, size_t n) must_check;

#endif
