/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Removes what a desktop left, whoever's it is.
 */
#ifndef PANE_HOST_TREE_H
#define PANE_HOST_TREE_H

#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"

/* As tree_delete(); where that is not allowed to an ordinary user, pane-cell does it as the
 * subordinate ids whose files they are. */
int host_tree_delete(const struct host_config *c, const char *path, struct err *e) must_check;

#endif
