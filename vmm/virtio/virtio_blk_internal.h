/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two parts of the disk device share: virtio_blk.c (requests, workers, the device) and
 * virtio_blk_io.c (the thread that transfers by a ring).
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_BLK_INTERNAL_H
#define PANE_VMM_VIRTIO_VIRTIO_BLK_INTERNAL_H

#include "vmm/virtio/disk_ring.h"
#include "vmm/virtio/virtio_blk.h"

enum {
	BLK_JOBS = DISK_RING_ENTRIES,
	BLK_SECTOR = 512,
	BLK_HEAD = 16
};

enum {
	BLK_T_IN = 0,
	BLK_T_OUT = 1
};

enum {
	BLK_S_OK = 0,
	BLK_S_IOERR = 1,
	BLK_S_UNSUPP = 2
};

struct blk_job {
	struct blk_job *next;
	unsigned queue;
	uint32_t type;
	uint64_t off; /* bytes */

	/* Of a transfer by the disk's own thread: part of chain.iov, and where the bytes are. */
	const struct iovec *iov;
	int n, file;
	uint64_t len, at;
	bool by_hand; /* a write without the ring */
	bool missed;  /* a write the ring would not do at once */

	uint32_t written; /* bytes, once done */
	struct virtq_chain chain;
};

struct blk_jobs {
	struct blk_job *head, **tail;
};

static inline void blk_jobs_init(struct blk_jobs *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static inline void blk_jobs_add(struct blk_jobs *l, struct blk_job *j)
{
	j->next = NULL;
	*l->tail = j;
	l->tail = &j->next;
}

static inline struct blk_job *blk_jobs_take(struct blk_jobs *l)
{
	struct blk_job *j = l->head;

	if (j)
		l->head = j->next;
	if (!l->head)
		l->tail = &l->head;
	return j;
}

/* Of the device, dev.lock held: back to the driver with j->written, several at a time... */
void blk_retire(struct virtio_blk *b, struct blk_job *j);
/* ...then once after them, with a bit for each queue that had one; `starved` when no job was free
 * before. */
void blk_retired(struct virtio_blk *b, unsigned queues, bool starved);
bool blk_starved(const struct virtio_blk *b) must_check;
/* Gives j to a worker. */
void blk_to_worker(struct virtio_blk *b, struct blk_job *j);
struct virtio_dev *blk_dev(struct virtio_blk *b);

/* ---- the thread with the ring --------------------------------------------------------------- */

struct blk_io;

/* Its loop is where the device's notifications have to arrive. The ring becomes its own in the end
 * (blk_io_start). NULL when out of memory. */
struct blk_io *blk_io_new(struct virtio_blk *b, struct block *block,
			  struct disk_ring *ring) must_check;
struct loop *blk_io_loop(struct blk_io *io);
int blk_io_start(struct blk_io *io) must_check; /* the thread; the ring is open and owned */
void blk_io_stop(struct blk_io *io);		/* no job may be out; fine when it does not run */
void blk_io_free(struct blk_io *io);		/* NULL is fine */
/* dev.lock held: whether the thread takes j; it is then on its way. */
bool blk_io_add(struct blk_io *io, struct blk_job *j) must_check;
/* Runs fn in the thread and returns what it returned. */
int blk_io_enter(struct blk_io *io, int (*fn)(void)) must_check;

#endif
