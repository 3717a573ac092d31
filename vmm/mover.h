/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The moves of this machine to other processes, as the control socket orders them: at most one at a
 * time (migrate_out.h does it), whose events everyone on the control socket hears. Main thread.
 */
#ifndef PANE_VMM_MOVER_H
#define PANE_VMM_MOVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct mover;
struct plugged;
struct vm;
struct vm_devices;

struct mover_cfg {
	struct vm *vm; /* all borrowed */
	struct vm_devices *devices;
	struct plugged *plugged;
	const uint64_t *identity_bytes;	     /* as for vm_snapshot() */
	bool variables;			     /* UEFI variables lie in a file */
	void (*event)(void *arg, json_t *o); /* o is borrowed */
	void *arg;
};

struct mover *mover_new(const struct mover_cfg *cfg) must_check;
void mover_free(struct mover *m); /* NULL is fine */
/* Begins a move over the stream socket fd, which is owned also on failure; order: "downtime_ms",
 * "verify". */
int mover_start(struct mover *m, json_t *order, int fd, struct err *e) must_check;
int mover_cancel(struct mover *m, struct err *e) must_check;
/* What migrate_out_state() says of it; NULL when nothing moves. */
const char *mover_state(struct mover *m);
/* In doubt: it does not run there, so it goes on here. */
int mover_resume(struct mover *m, struct err *e) must_check;

#endif
