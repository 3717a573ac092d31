/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine moves to another pane-vmm (migrate_wire.h). While it runs, its memory is sent: all of
 * it once, then what was written meanwhile, again and again, until the rest can be sent within the
 * wanted pause at the speed seen so far, or rounds are used up. Then it stands still, its disks are
 * flushed and let go, the rest and the state are sent, and the receiver is told to run it. Whatever
 * goes wrong before that, it goes on here.
 *
 * Everything is done in slices by the main loop, which never waits for the line. Main thread.
 */
#ifndef PANE_VMM_MIGRATE_OUT_H
#define PANE_VMM_MIGRATE_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct migrate_out;
struct vm;

#define MIGRATE_DOWNTIME_MS 300

struct migrate_news {
	unsigned percent, round; /* round: 1 is the first */
	uint64_t left_bytes;	 /* of this round */
};

struct migrate_out_cfg {
	int64_t downtime_ms;
	bool verify; /* the receiver compares a checksum of all memory; makes the pause longer */
	uint64_t identity_bytes; /* as for vm_snapshot() */
	/* Lets go of every disk of the paused machine, or takes them again: vm_devices_hand_over().
	 */
	int (*hand_over)(void *arg, bool away);
	void (*progress)(void *arg, const struct migrate_news *news);
	/* It runs there from now on: this process is to end. */
	void (*moved)(void *arg, int64_t downtime_ms);
	/* It goes on here; why. The owner frees it, but later. */
	void (*failed)(void *arg, const struct err *why);
	/* Nobody knows whether it runs there: it stands still until migrate_out_resume() or the end
	 * of the process. */
	void (*doubt)(void *arg, const struct err *why);
	void *arg; /* borrowed */
};

/* Begins. fd: a connected stream socket, owned on success. */
struct migrate_out *migrate_out_new(struct vm *vm, int fd, const struct migrate_out_cfg *cfg,
				    struct err *e) must_check;
void migrate_out_free(struct migrate_out *m); /* NULL is fine; does not let the machine go on */
/* "sending" while the machine runs, "handing" while it stands still, "doubt" (see above),
 * "returning" while it waits for its disks; NULL when it is over. */
const char *migrate_out_state(const struct migrate_out *m);
/* Gives up: failed() follows, at once or when the disks are back. -EALREADY: too late. */
int migrate_out_cancel(struct migrate_out *m) must_check;
/* In doubt: the machine does not run there, says somebody who knows. It goes on here (failed())
 * once no other has its disks. -EINVAL when there is no doubt. */
int migrate_out_resume(struct migrate_out *m) must_check;

#endif
