/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What runs a desktop, by what isolates it: pane-vmm (vmm_driver.c) or pane-cell
 * (container_driver.c). Both are one process a desktop with the same control protocol, so that a
 * driver is little more than a command line; machine.h has the life they share.
 */
#ifndef PANE_HOST_DRIVER_H
#define PANE_HOST_DRIVER_H

#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/decide.h"
#include "vmm/host/images.h"
#include "vmm/host/proc.h"
#include "vmm/host/share.h"

#define HOST_ARGS_MAX 64

struct host_machine_events {
	/* The process exists and will run once this returned 0. */
	int (*starting)(void *arg, const struct host_proc *p);
	void (*ready)(void *arg);
	void (*waits)(void *arg); /* the guest waits to become a clone; NULL = nobody cares */
	void (*problem)(void *arg,
			const char *what); /* it runs on, but a person must know; NULL = nobody */
	void (*note)(void *arg, const char *what); /* the guest says so of itself; NULL = nobody */
	void (*snapshot)(void *arg, const char *error);		/* is written (NULL), or why not */
	void (*ended)(void *arg, const struct host_ended *end); /* once, last */
	void *arg;						/* borrowed; outlives the machine */
};

/* Borrowed for the duration of a start or adoption unless said otherwise. */
struct host_machine_spec {
	struct loop *loop;		  /* borrowed as long as the machine lives */
	const struct host_config *config; /* the same */
	const char *id, *name;
	const char *dir, *run; /* its files, its sockets */
	int cpus, memory_mib, disk_mib;
	int home_mib;			/* size of a machine's home disk */
	const char *home;		/* key of the user's files, "" = none */
	bool reset;			/* nothing of the system that was */
	const char *parent;		/* machines: what lies under the disk, "" = nothing */
	bool clone;			/* begin as a clone of the parent */
	bool resume;			/* begin with the memory that was saved (suspend.h) */
	bool park;			/* to be a parent itself */
	bool sound;			/* machines: what it plays may be heard */
	struct host_share share;	/* of this host */
	unsigned address;		/* containers: their number in the subnet */
	const char *net;		/* containers: what --net takes */
	const struct host_image *image; /* for a start only */
	struct host_machine_events ev;
};

/* A command line in owned strings; free with host_argv_free(). */
struct host_argv {
	char *v[HOST_ARGS_MAX]; /* NULL-terminated */
	size_t n;
};
int host_argv_add(struct host_argv *a, const char *fmt, ...) must_check
	__attribute__((format(printf, 2, 3)));
void host_argv_free(struct host_argv *a);

struct host_driver {
	const char *name;    /* as in orders: "vm" */
	const char *program; /* what reasons call it */
	const char *log;     /* the file in the desktop's directory that takes its output */
	bool weighed; /* the agent makes its control group (group.h); others do it themselves */
	int (*argv)(const struct host_machine_spec *s, struct host_argv *a);
	/* Directories and the like that the command line names; NULL = none. */
	int (*prepare)(const struct host_machine_spec *s, struct err *e);
};

extern const struct host_driver host_vmm_driver, host_container_driver;

const struct host_driver *host_driver_of(enum host_isolation i);

#endif
