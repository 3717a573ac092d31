/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop may use of the machine: one cgroup "pane/KEY" for everything inside, version 2
 * where the host has its controllers there, else version 1 controllers, else resource limits of the
 * single process. The disk limit is the size of the disks (rootfs.h).
 */
#ifndef PANE_CELL_LIMITS_H
#define PANE_CELL_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

enum cell_limits_kind {
	CELL_LIMITS_RLIMIT,
	CELL_LIMITS_CGROUP1,
	CELL_LIMITS_CGROUP2
};

#define CELL_CONTROLLERS 4
#define CELL_DEVICES	 2 /* changes, home */

struct cell_wants {
	unsigned cpus, pids;
	uint64_t memory_mib;
	uint64_t io_mib, io_ops; /* a second, each way and device; 0: no ceiling */
	dev_t devices[CELL_DEVICES];
	unsigned n_devices;
};

struct cell_limits {
	enum cell_limits_kind kind;
	unsigned n;
	int procs[CELL_CONTROLLERS]; /* owned: cgroup.procs of each cgroup, to join by */
	uint64_t memory_bytes;	     /* for CELL_LIMITS_RLIMIT */
	unsigned pids;
	bool io; /* the ceilings asked for are in force */
};

/* What this host has for the caller; why (NULL or a buffer) is what it lacks, "" for nothing. */
enum cell_limits_kind cell_limits_probe(char *why, size_t n);
const char *cell_limits_name(enum cell_limits_kind kind);

int cell_limits_make(const char *key, const struct cell_wants *w, struct cell_limits *l,
		     struct err *e) must_check;
/* The calling process, and what it will start, falls under the limits. Between fork and exec. */
int cell_limits_join(const struct cell_limits *l) must_check;
void cell_limits_close(struct cell_limits *l);
/* Kills what is still in the cgroups of that key and removes them; nothing there is fine. */
int cell_limits_remove(const char *key, struct err *e) must_check;

/* The directory in which groups may be made, of those on the way from `own` (a path within the
 * version 2 hierarchy mounted at `mnt`) up: the first that is the caller's and already shares out
 * memory and processes. -ENOENT. */
int cell_limits_delegated(const char *mnt, const char *own, char *out, size_t n) must_check;

#endif
