/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A machine comes in from another pane-vmm (migrate_wire.h): its memory into memory of our own, its
 * state into a snapshot that the way of --restore takes. Everything said is hostile until checked:
 * a page outside memory, a frame out of turn, a length above its bound end it with the reason.
 * Blocking; main thread, before there is a loop. It owns its socket.
 */
#ifndef PANE_VMM_MIGRATE_IN_H
#define PANE_VMM_MIGRATE_IN_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct migrate_in;
struct snap;
struct vm_mem;
struct vm_mem_policy;

struct migrate_in_cfg {
	/* Whether this machine is wanted: hello has the sections "machine" and "cpu". 0 and its
	 * size, else the sender hears e. */
	int (*wanted)(void *arg, const struct snap *hello, uint64_t *memory_bytes, struct err *e);
	void *arg; /* borrowed */
	const struct vm_mem_policy *policy;
};

/* where: the path of a socket that it makes, on which one sender is waited for and which then goes;
 * or "fd:N", a connected stream socket. NULL with *e. */
struct migrate_in *migrate_in_open(const char *where, struct err *e) must_check;
/* Takes everything up to END. What it gives is the caller's. */
int migrate_in_receive(struct migrate_in *m, const struct migrate_in_cfg *cfg, struct snap **state,
		       struct vm_mem **ram, struct err *e) must_check;
/* Everything is there and loaded: waits for the word to run. 0: the machine is ours for good, and
 * the sender was told; else it must never run. */
int migrate_in_go(struct migrate_in *m, struct err *e) must_check;
/* Tells the sender that it will never run here, and why. NULL is fine. */
void migrate_in_refuse(struct migrate_in *m, const struct err *why);
void migrate_in_free(struct migrate_in *m);

/* For tests: over any descriptor that can be read, which it owns. */
struct migrate_in *migrate_in_over(int fd) must_check;

#endif
