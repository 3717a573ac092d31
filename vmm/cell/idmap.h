/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's user namespace and mounts seen through it: id n inside, and n on the disk, is
 * base + n on the host. No process of the desktop ever has an id of the host's own.
 */
#ifndef PANE_CELL_IDMAP_H
#define PANE_CELL_IDMAP_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

/* A user namespace owned by the desktop's user (base + CELL_UID_USER): its descriptor. */
int cell_userns_new(uid_t base, struct err *e) must_check;
/* Mounts the tree at `from` on `to` with ids shifted by the namespace. */
int cell_idmap_mount(const char *from, const char *to, int userns, struct err *e) must_check;

#endif
