/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop may use of the machine: one cgroup "pane/NAME" for everything inside, version 2
 * where the host has its controllers there, else version 1 controllers, else resource limits of the
 * single process. The disk limit is the size of the disks (rootfs.h).
 */
#ifndef PANE_CELL_LIMITS_H
#define PANE_CELL_LIMITS_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

enum cell_limits_kind {
	CELL_LIMITS_RLIMIT,
	CELL_LIMITS_CGROUP1,
	CELL_LIMITS_CGROUP2
};

#define CELL_CONTROLLERS 5

struct cell_limits {
	enum cell_limits_kind kind;
	unsigned n;
	int procs[CELL_CONTROLLERS]; /* owned: cgroup.procs of each cgroup, to join by */
	uint64_t memory_bytes;	     /* for CELL_LIMITS_RLIMIT */
	unsigned pids;
};

/* What this host has. */
enum cell_limits_kind cell_limits_probe(void);
const char *cell_limits_name(enum cell_limits_kind kind);

int cell_limits_make(const char *name, unsigned cpus, uint64_t memory_mib, unsigned pids,
		     struct cell_limits *l, struct err *e) must_check;
/* The calling process, and what it will start, falls under the limits. Between fork and exec. */
int cell_limits_join(const struct cell_limits *l) must_check;
void cell_limits_close(struct cell_limits *l);
/* Kills what is still in the cgroups of that name and removes them; nothing there is fine. */
int cell_limits_remove(const char *name, struct err *e) must_check;

#endif
