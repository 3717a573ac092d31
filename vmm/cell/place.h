/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop holds on this host while it runs: its name (options.h, key), and a range of 65536
 * user ids that belongs to nobody else. Both are locks on files in /run/pane-cell, so a killed
 * process gives them back by itself.
 */
#ifndef PANE_CELL_PLACE_H
#define PANE_CELL_PLACE_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CELL_RUN_DIR  "/run/pane-cell"
#define CELL_RANGE    65536u
#define CELL_UID_USER 1000u /* the desktop's user, inside */

struct cell_place {
	int name_fd, range_fd; /* owned; the locks */
	char name_path[128];   /* removed with the lock */
	uid_t base;	       /* ids base .. base + CELL_RANGE - 1 are this desktop's */
};

/* -EBUSY when a living pane-cell holds the name. */
int cell_place_take(const char *name, struct cell_place *p, struct err *e) must_check;
void cell_place_drop(struct cell_place *p);

#endif
