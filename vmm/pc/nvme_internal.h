/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller's own fields, for the files that are the controller: nvme.c (registers, queues,
 * workers, snapshots), nvme_admin.c and nvme_io.c (commands). Clauses are those of NVM Express 1.4.
 */
#ifndef PANE_VMM_PC_NVME_INTERNAL_H
#define PANE_VMM_PC_NVME_INTERNAL_H

#include <pthread.h>
#include <stdint.h>
#include <sys/uio.h>
#include "vmm/pc/nvme.h"
#include "vmm/pci.h"

enum {
	NVME_QUEUES = 5, /* pairs: the admin queue's, and four for the processors to share */
	NVME_ENTRIES = 256,
	NVME_WORKERS = 4,
	NVME_EVENTS = 4, /* Asynchronous Event Requests kept; nothing ever answers them */
	NVME_FEATURES = 16,
	NVME_PAGE = 4096,
	NVME_SECTOR = 512,
	NVME_MDTS = 7, /* 2^7 pages a command */
	NVME_PIECES = (1 << NVME_MDTS) + 1,
	SQE_BYTES = 64,
	CQE_BYTES = 16
};

/* Status codes: type << 8 | code (§4.6.1.2). */
enum {
	NVME_OK = 0x000,
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_TRANSFER_ERROR = 0x004,
	NVME_INTERNAL_ERROR = 0x006,
	NVME_INVALID_NAMESPACE = 0x00b,
	NVME_OUT_OF_RANGE = 0x080,
	NVME_INVALID_CQ = 0x100,
	NVME_INVALID_QUEUE = 0x101,
	NVME_INVALID_SIZE = 0x102,
	NVME_EVENT_LIMIT = 0x105,
	NVME_INVALID_VECTOR = 0x108,
	NVME_INVALID_LOG = 0x109,
	NVME_INVALID_DELETION = 0x10c,
	NVME_READ_ONLY = 0x182,
	NVME_WRITE_FAULT = 0x280,
	NVME_READ_ERROR = 0x281,
	NVME_DO_NOT_RETRY = 0x4000,
	NVME_NO_ANSWER = 0xffff /* not yet: it stays outstanding */
};

enum {
	FEATURE_WRITE_CACHE = 6,
	FEATURE_QUEUES = 7
};

struct nvme_command {
	uint8_t sqe[SQE_BYTES];
	unsigned sq;
	uint32_t result; /* dword 0 of the answer */
	uint64_t moved;	 /* bytes */
};

struct nvme_sq {
	bool exists;
	uint64_t base;
	uint32_t size, head, tail, cq;
	unsigned out; /* commands with workers */
};

struct nvme_cq {
	bool exists, interrupts;
	uint64_t base;
	uint32_t size, head, tail, vector;
	bool phase;
	unsigned promised; /* entries commands with workers will need */
};

struct nvme {
	struct pci_dev dev;
	const struct vm_mem *mem; /* borrowed */
	struct block_problem *problem;
	struct nvme_disk {
		struct block *block; /* owned */
		struct limiter limiter;
	} disk[NVME_DISKS];
	unsigned disks;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work, idle;
	bool quit, paused, other;
	bool enabled;	/* queues are served */
	bool disabling; /* and once no command is out, not any more */
	bool fatal;
	uint32_t cc, shutdown, aqa, masked;
	uint64_t asq, acq;
	uint32_t feature[NVME_FEATURES];
	uint32_t events; /* outstanding requests for them */
	struct nvme_sq sq[NVME_QUEUES];
	struct nvme_cq cq[NVME_QUEUES];
	unsigned turn; /* queue that is looked at first */
	unsigned out;

	pthread_t thread[NVME_WORKERS];
	unsigned threads;
};

/* Runs an admin command with the lock held, which it may let go of to wait: a status. */
uint16_t nvme_admin(struct nvme *n, struct nvme_command *c);
/* Runs any other one, without the lock. */
uint16_t nvme_io(struct nvme *n, struct nvme_command *c);
/* Copies up to size bytes to the buffer a command names (§4.3). */
uint16_t nvme_put(struct nvme *n, const struct nvme_command *c, const void *p, size_t size);
void nvme_flush_all(struct nvme *n);

#endif
