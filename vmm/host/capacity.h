/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What this host has: processors, memory, disk, and what kind of KVM (asked of pane-vmm --probe
 * once at start).
 */
#ifndef PANE_HOST_CAPACITY_H
#define PANE_HOST_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/secret.h"
#include "vmm/host/config.h"
#include "vmm/host/orders.h"

struct host_capacity {
	int cpus;
	int64_t memory_mib;	 /* for desktops in all: the machine's less the reserve */
	int64_t memory_free_mib; /* of these, not promised to a running desktop and really there */
	int64_t memory_available_mib;	    /* measured, above the reserve */
	int64_t promised_mib, starting_mib; /* to desktops that run; to those not ready yet */
	int64_t disk_free_mib;		    /* above the reserve */
	char kvm[16];			    /* hardware, interpreted or none */
	char why[160];
	bool vm;	/* takes virtual machines; vm_why: why not */
	bool container; /* takes containers; container_why: why not, or what they lack */
	char vm_why[280], container_why[280];
	char limits[16]; /* what holds containers to their share: cgroup2, cgroup1, rlimit */
	char net[128];	 /* their network: user or none */
	char storage[ID_LEN + 1]; /* the mark of homes that other hosts have too, "" = none */
};

/* Runs pane-vmm --probe and pane-cell --probe; at most ten seconds each. */
void host_capacity_probe(const struct host_config *c, struct host_capacity *cap);
/* Measures everything else; promised_mib: memory of the desktops that run, starting_mib: of those
 * among them that are not ready, as they will want it soon. */
void host_capacity_measure(const struct host_config *c, int64_t promised_mib, int64_t starting_mib,
			   struct host_capacity *cap);
/* The figures of /proc/meminfo's text, in MiB; pure. -EPROTO when they are not there. */
int host_meminfo(const char *text, int64_t *total_mib, int64_t *available_mib) must_check;
/* -ENOMEM, -ENOSPC or -ENODEV with a reason that gives both numbers. overcommit: percent of the
 * host's memory that may be promised; above 100 the same share of memory_mib must be there. */
int host_capacity_admit(const struct host_capacity *cap, enum host_isolation way,
			int64_t memory_mib, int overcommit, struct err *e) must_check;
/* Whether this host takes virtual machines, from kvm, why and the setting (NULL = auto). */
void host_capacity_vm(struct host_capacity *cap, const char *setting);
/* What pane-cell --probe printed; -EPROTO when it is not understood. setting: cell_net or NULL. */
int host_capacity_cell(struct host_capacity *cap, const char *text, const char *setting) must_check;

#endif
