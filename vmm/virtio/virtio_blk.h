/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The disk (virtio 1.2 §5.2): several queues, several requests in flight on a few worker threads,
 * FLUSH, DISCARD, WRITE_ZEROES, GET_ID. An error of the file below becomes an I/O error of that
 * request; its reason is logged, told to `problem`, and kept for virtio_blk_problem().
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_BLK_H
#define PANE_VMM_VIRTIO_VIRTIO_BLK_H

#include "vmm/virtio/block.h"
#include "vmm/virtio/limiter.h"
#include "vmm/virtio/virtio.h"

struct disk_ring;
struct virtio_blk;

struct virtio_blk_config {
	struct block *block; /* becomes the device's on success */
	const char *serial;  /* at most 20 characters, NULL for none */
	unsigned queues;     /* 1..4; 0 means 1 */
	unsigned workers;    /* 1..8 threads; 0 means 4 */
	/* Made for this block: a thread of the disk's own transfers by it (virtio_blk_io.c).
	 * Becomes the device's on success; NULL: worker threads do everything. */
	struct disk_ring *ring;
	/* After a failure of the file below, at most once a second, in a worker; NULL is fine. */
	void (*problem)(void *arg);
	void *arg; /* borrowed */
};

struct virtio_blk *virtio_blk_new(const struct virtio_env *env, const struct virtio_blk_config *c,
				  struct err *e) must_check;
void virtio_blk_free(struct virtio_blk *b); /* flushes; NULL is fine */
/* The latest failure of the file below as a sentence, "" when there was none. Any thread. */
void virtio_blk_problem(struct virtio_blk *b, char *out, size_t n);
/* Runs fn in the thread that has the ring, if there is one, and returns what it returned, else 0:
 * for its jail. */
int virtio_blk_enter(struct virtio_blk *b, int (*fn)(void)) must_check;
/* Any thread: bounds requests and bytes a second from now on. */
void virtio_blk_limit(struct virtio_blk *b, const struct limit *limit);
/* Tells the driver that the disk has another size. */
void virtio_blk_resized(struct virtio_blk *b);
/* Whether the state this device was loaded with is about a disk with other contents. */
bool virtio_blk_is_other(const struct virtio_blk *b);
/* While the device is paused: flushes and lets go of the file, or takes it again (block.h). */
int virtio_blk_hand_over(struct virtio_blk *b, bool away) must_check;
struct virtio_dev *virtio_blk_dev(struct virtio_blk *b); /* for tests */

#endif
