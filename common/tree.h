/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Removes a file, or a directory and everything in it, that somebody hostile may have filled.
 */
#ifndef PANE_COMMON_TREE_H
#define PANE_COMMON_TREE_H

#include "common/cleanup.h"
#include "common/err.h"

/* However deep it is. Links are not followed, and what is mounted inside stops it (-EBUSY). Missing
 * is fine. */
int tree_delete(const char *path, struct err *e) must_check;

#endif
