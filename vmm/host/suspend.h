/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The saved memory of a suspended desktop, in its directory:
 *
 *   suspended.new    being written, or left by an attempt that failed
 *   suspended        complete, and the disk has not changed since: it may be gone on with, once
 *   suspended.used   being gone on with: from the moment that machine runs its disk changes, and
 *                    memory of before on a disk of after would destroy the file system
 *
 * So the step from one name to the next is a rename, and the last one is made before the machine's
 * process may begin. The agent's loop.
 */
#ifndef PANE_HOST_SUSPEND_H
#define PANE_HOST_SUSPEND_H

#include <stdbool.h>
#include "common/cleanup.h"

#define HOST_SUSPEND_USED "suspended.used"

struct host_machine;

/* There is memory to go on with. dir: the desktop's. */
bool host_suspend_saved(const char *dir);
/* Has the machine written to suspended.new; its snapshot event tells. */
int host_suspend_begin(const char *dir, struct host_machine *m) must_check;
/* After the machine has ended: it may be gone on with. */
int host_suspend_keep(const char *dir) must_check;
/* Before its machine runs. */
int host_suspend_use(const char *dir) must_check;
/* Removes what cannot be gone on with. */
void host_suspend_tidy(const char *dir);
/* Removes that, and what could be. */
void host_suspend_forget(const char *dir);

#endif
