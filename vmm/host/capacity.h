/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What this host has: processors, memory, disk, and what kind of KVM (asked of pane-vmm --probe
 * once at start).
 */
#ifndef PANE_HOST_CAPACITY_H
#define PANE_HOST_CAPACITY_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"

struct host_capacity {
	int cpus;
	int64_t memory_mib;	 /* for desktops in all: the machine's less the reserve */
	int64_t memory_free_mib; /* of these, not promised to a running desktop and really there */
	int64_t disk_free_mib;	 /* above the reserve */
	char kvm[16];		 /* hardware, interpreted or none */
	char why[160];
};

/* Runs pane-vmm --probe; at most ten seconds. */
void host_capacity_probe(const struct host_config *c, struct host_capacity *cap);
/* Measures everything else; promised_mib: memory of the desktops that run. */
void host_capacity_measure(const struct host_config *c, int64_t promised_mib,
			   struct host_capacity *cap);
/* The figures of /proc/meminfo's text, in MiB; pure. -EPROTO when they are not there. */
int host_meminfo(const char *text, int64_t *total_mib, int64_t *available_mib) must_check;
/* -ENOMEM, -ENOSPC or -ENODEV with a reason that gives both numbers. */
int host_capacity_admit(const struct host_capacity *cap, int64_t memory_mib,
			struct err *e) must_check;

#endif
