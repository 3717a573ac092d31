/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An io_uring for one disk's reads and writes, shut in before it is used: it knows the disk's own
 * files by number (registered, so no descriptor can be named) and no operation but read and write
 * on them; its settings cannot be changed any more. What seccomp does not see of a ring (the
 * entries lie in shared memory) the kernel thus refuses by itself.
 *
 * A write never waits in the ring: where it would, it comes back with -EAGAIN and is the caller's.
 * One thread enables the ring and uses it from then on.
 */
#ifndef PANE_VMM_VIRTIO_DISK_RING_H
#define PANE_VMM_VIRTIO_DISK_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "common/cleanup.h"
#include "common/err.h"

struct block;
struct disk_ring;

#define DISK_RING_ENTRIES 64

/* A ring for at most DISK_RING_ENTRIES transfers at a time on the files of a block, which it opens
 * for itself (by /proc, hence before jail_files()). NULL with the reason in *e where the kernel, a
 * policy or the file system has none to offer. */
struct disk_ring *disk_ring_new(struct block *b, struct err *e) must_check;
void disk_ring_free(struct disk_ring *r); /* nothing may be in flight; NULL is fine */
/* Locks it in and opens it, in the thread that will use it: 0 or negative errno. */
int disk_ring_enable(struct disk_ring *r) must_check;
/* Readable when something is to be reaped. */
int disk_ring_fd(const struct disk_ring *r);

/* Puts a transfer down, to be begun by disk_ring_submit(). iov stays until it is reaped. `file` is
 * the number block_ops.place gave. False when there is no room. */
bool disk_ring_put(struct disk_ring *r, bool write, int file, const struct iovec *iov, int n,
		   uint64_t off, void *tag) must_check;
/* Begins what was put down, and collects what has ended: 0 or negative errno. */
int disk_ring_submit(struct disk_ring *r) must_check;
/* The next transfer that ended: true with its tag, and bytes or negative errno in *res. */
bool disk_ring_reap(struct disk_ring *r, void **tag, int *res) must_check;

#endif
