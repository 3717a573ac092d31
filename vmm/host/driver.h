/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the agent runs a desktop, whatever isolates it: pane-vmm today (vmm_driver.c), a container
 * sandbox later. A machine runs from start() or adopt() until it reports `ended`, after which the
 * agent frees it. All calls and callbacks are in the loop's thread.
 */
#ifndef PANE_HOST_DRIVER_H
#define PANE_HOST_DRIVER_H

#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/decide.h"
#include "vmm/host/images.h"
#include "vmm/host/proc.h"

struct host_machine; /* one running desktop, of any driver */

struct host_machine_events {
	/* The process exists and will run once this returned 0. */
	int (*starting)(void *arg, const struct host_proc *p);
	void (*ready)(void *arg);
	void (*ended)(void *arg, const struct host_ended *end); /* once, last */
	void *arg;						/* borrowed; outlives the machine */
};

/* Borrowed for the duration of start() or adopt() unless said otherwise. */
struct host_machine_spec {
	struct loop *loop;		  /* borrowed as long as the machine lives */
	const struct host_config *config; /* the same */
	const char *id, *name;
	const char *dir, *run; /* its files, its sockets */
	int cpus, memory_mib;
	const struct host_image *image; /* start() only */
	struct host_machine_events ev;
};

struct host_driver {
	const char *name;
	int (*start)(const struct host_machine_spec *s, struct host_machine **out, struct err *e);
	/* Takes up a machine that an earlier agent started; -ESRCH when it has gone. */
	int (*adopt)(const struct host_machine_spec *s, pid_t pid, uint64_t started,
		     struct host_machine **out);
	void (*powerdown)(struct host_machine *m); /* ask the guest */
	void (*quit)(struct host_machine *m);	   /* flush and stop without asking it */
	void (*kill)(struct host_machine *m);
	const struct host_proc *(*proc)(const struct host_machine *m);
	void (*free)(struct host_machine *m); /* does not end the process */
	/* How a machine that is gone ended, as far as its files tell (after a failed adopt). */
	void (*post_mortem)(const char *dir, struct host_ended *end);
};

extern const struct host_driver host_vmm_driver;

#endif
