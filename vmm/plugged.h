/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Disks and network cards that come and go while the machine runs, by order of the host agent
 * (control.h): at most PLUGGED_MAX, each a descriptor that came with the order, as the process
 * opens no file any more, and a name. They go when the guest ejects them (hotplug.h), asked or by
 * itself, or with the machine. Main thread.
 */
#ifndef PANE_VMM_PLUGGED_H
#define PANE_VMM_PLUGGED_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/layout.h"

#define PLUGGED_MAX VM_HOTPLUG_SLOTS
#define PLUGGED_ID  20 /* characters of a name, which is a disk's serial number, too */

struct limit;
struct plugged;
struct vm;

struct plugged_cfg {
	struct vm *vm; /* borrowed, outlives it; its vCPUs do not run yet */
	/* "unplugged", reason: the name; "unplug.failed", reason: a sentence for a person. */
	void (*event)(void *arg, const char *event, const char *reason);
	void (*problem)(void *arg); /* of a disk, in one of its threads */
	void *arg;
};

enum plugged_state {
	PLUGGED_OFFERED, /* the guest has not looked yet */
	PLUGGED_SEEN,	 /* no driver uses it */
	PLUGGED_USED,
	PLUGGED_LEAVING /* the guest is asked to let it go */
};

struct plugged_info {
	const char *id, *kind; /* borrowed until the next call; kind: "disk" or "net" */
	unsigned slot;	       /* on the PCI bus */
	enum plugged_state state;
};

struct plugged *plugged_new(const struct plugged_cfg *cfg, struct err *e) must_check;
void plugged_free(struct plugged *p); /* after the vCPUs have stopped; NULL is fine */

/* Both take fd over, also when they fail. *slot is where it is on the PCI bus. */
int plugged_disk(struct plugged *p, const char *id, int fd, bool read_only, unsigned *slot,
		 struct err *e) must_check;
int plugged_net(struct plugged *p, const char *id, int fd, const uint8_t mac[6], unsigned *slot,
		struct err *e) must_check;
/* Asks the guest to let go. An event tells how that ended; one that takes longer than timeout_ms
 * keeps the device, may be asked again, and may still eject it. */
int plugged_unplug(struct plugged *p, const char *id, int64_t timeout_ms, struct err *e) must_check;

/* False when place i (0 .. PLUGGED_MAX - 1) is empty. */
bool plugged_at(struct plugged *p, unsigned i, struct plugged_info *out) must_check;
/* Refuses while something is plugged, as a snapshot's reader has none of it. */
int plugged_check_snapshot(struct plugged *p, struct err *e) must_check;
/* Bounds each from now on, and those to come. NULL: stays. */
void plugged_limit(struct plugged *p, const struct limit *disk, const struct limit *net);
/* The latest failure below a disk, "" when there was none. */
void plugged_problem(struct plugged *p, char *out, size_t n);

#endif
