/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What desktops and this host use: processors, memory, disk and network, from /proc. A desktop is
 * everything below its machine's process; what its guest used and what running it cost are told
 * apart. Rates are those since the last look, so nothing is lost between two. Main thread.
 */
#ifndef PANE_HOST_USAGE_H
#define PANE_HOST_USAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"

struct host_usage;

/* A desktop that runs; strings borrowed for the call. */
struct host_usage_of {
	const char *id;
	pid_t machine, display; /* 0: none */
	bool vm;		/* what the machine's threads did as guests is told by the kernel */
	/* Of a vm: bytes to and from it as its pane-vmm said at net_ms; 0: it has not. A
	 * container's are read here. */
	int64_t in, out, net_ms;
};

/* proc: where the kernel tells of processes ("/proc"); copied. NULL without memory. */
struct host_usage *host_usage_new(const char *proc) must_check;
void host_usage_free(struct host_usage *u);

/* The "usage" of a report (docs/contracts.md), a new reference; NULL at a first look, which only
 * begins, or where nothing can be read. */
json_t *host_usage_look(struct host_usage *u, const struct host_usage_of *v, size_t n,
			int64_t now_ms) must_check;

/* Seconds of a processor that desktops had between all looks so far, by what for. */
enum host_usage_part {
	HOST_USAGE_GUEST,   /* the desktops' own work */
	HOST_USAGE_MACHINE, /* of pane-vmm and pane-cell, I/O not counted */
	HOST_USAGE_IO,	    /* of pane-vmm's threads for disks and network cards */
	HOST_USAGE_DISPLAY,
	HOST_USAGE_PARTS
};
double host_usage_cpu_s(const struct host_usage *u, enum host_usage_part part);

#endif
