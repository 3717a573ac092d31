/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which files a jailed process may still open (landlock(7)).
 */
#ifndef PANE_COMMON_LANDLOCK_H
#define PANE_COMMON_LANDLOCK_H

#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"

/* From now on this thread, and those it makes, open no file but these, and these for reading only;
 * those that are not there are left out. What is open stays so, and connecting a unix socket is
 * none of Landlock's business. Needs PR_SET_NO_NEW_PRIVS. A kernel without Landlock is said in the
 * log and is no error. */
int landlock_files(const char *const *files, size_t n, struct err *e) must_check;

#endif
