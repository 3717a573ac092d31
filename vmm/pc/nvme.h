/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An NVMe controller (NVM Express 1.4) whose namespaces are disks, from 1 on. A few worker threads
 * run the commands of all queues.
 */
#ifndef PANE_VMM_PC_NVME_H
#define PANE_VMM_PC_NVME_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/limiter.h"

#define NVME_DISKS 4

struct block;
struct block_problem;
struct loop;
struct nvme;
struct pci_bus;
struct vm_mem;

struct nvme_cfg {
	struct pci_bus *pci; /* all borrowed */
	const struct vm_mem *mem;
	struct loop *loop; /* for limits; NULL: there are none */
	struct block_problem *problem;
	struct block *disk[NVME_DISKS]; /* the controller's from now on, also on failure */
	unsigned n;			/* 1 .. NVME_DISKS */
};

/* Puts the controller on the bus. */
struct nvme *nvme_new(const struct nvme_cfg *c, struct err *e) must_check;
/* Starts the workers. */
int nvme_start(struct nvme *n, struct err *e) must_check;
void nvme_free(struct nvme *n); /* flushes; NULL is fine */
unsigned nvme_slot(const struct nvme *n);
/* Any thread: bounds each disk's requests and bytes a second from now on. */
void nvme_limit(struct nvme *n, const struct limit *limit);
/* Whether the state it was loaded with is about other disks. */
bool nvme_is_other(const struct nvme *n);
/* For tests and fuzzing without workers: runs what was submitted, at most so many commands. */
void nvme_work(struct nvme *n, unsigned most);

#endif
