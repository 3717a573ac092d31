/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The port to which firmware writes what it does (0x402; Bochs' and QEMU's debug console). What is
 * written goes to a console_log of its own. Without one the port is not there, and firmware that
 * looks for it saves the time.
 */
#ifndef PANE_VMM_PC_DEBUGCON_H
#define PANE_VMM_PC_DEBUGCON_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/console_log.h"

struct vm_io;

struct debugcon {
	pthread_mutex_t lock; /* guards log */
	struct console_log log;
};

int debugcon_add(struct debugcon *d, struct vm_io *io, const char *path, struct err *e) must_check;
void debugcon_fini(struct debugcon *d);

#endif
