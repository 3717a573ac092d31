/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop holds on this host while it runs: its name (options.h, key), and a range of 65536
 * user ids that belongs to nobody else. Both are locks on files in cell_run_dir(), so a killed
 * process gives them back by itself.
 */
#ifndef PANE_CELL_PLACE_H
#define PANE_CELL_PLACE_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CELL_RANGE    65536u
#define CELL_UID_USER 1000u /* the desktop's user, inside */

struct cell_place {
	int name_fd, range_fd; /* owned; the locks */
	char name_path[256];   /* removed with the lock */
	uid_t base;	       /* ids base .. base + CELL_RANGE - 1 are this desktop's */
};

/* Where locks and mount points are: /run/pane-cell, or a directory of the user's own. */
const char *cell_run_dir(void);
/* For an ordinary user, before cell_run_dir(): a directory of theirs only. */
int cell_run_dir_own(struct err *e) must_check;

/* rootless: ids are the namespace's own, base 0. -EBUSY when a living pane-cell holds the name. */
int cell_place_take(const char *key, bool rootless, struct cell_place *p, struct err *e) must_check;
void cell_place_drop(struct cell_place *p);

#endif
