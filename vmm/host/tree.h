/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deletes a directory and everything in it.
 */
#ifndef PANE_HOST_TREE_H
#define PANE_HOST_TREE_H

#include "common/cleanup.h"
#include "common/err.h"

/* Links are not followed, and what is mounted inside stops it. Missing is fine. */
int host_tree_delete(const char *path, struct err *e) must_check;

#endif
