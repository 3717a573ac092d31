/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk's bytes, whatever holds them: a raw file (block.c) or our copy-on-write overlay
 * (overlay.h). Offsets and lengths are bytes; callers keep requests inside [0, size).
 *
 * Every operation may be called from several threads at once and returns 0 or a negative errno;
 * nothing is durable before a flush that began after it returned.
 */
#ifndef PANE_VMM_VIRTIO_BLOCK_H
#define PANE_VMM_VIRTIO_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "common/cleanup.h"
#include "common/err.h"

#define BLOCK_FILES 3 /* of one block, at most: overlay, layer, base */

struct block;

struct block_ops {
	int (*readv)(struct block *b, const struct iovec *iov, int n, uint64_t off);
	int (*writev)(struct block *b, const struct iovec *iov, int n, uint64_t off);
	int (*flush)(struct block *b);
	/* The contents are no longer needed; they may read as anything, here as zeros or as before.
	 */
	int (*discard)(struct block *b, uint64_t off, uint64_t len);
	int (*write_zeroes)(struct block *b, uint64_t off, uint64_t len, bool may_unmap);
	void (*close)(struct block *b);
	/* Optional: 64 hexadecimal digits and their end, which are others when the contents are
	 * (as far as that can be told without reading everything). While nothing is in flight. */
	void (*identity)(struct block *b, char id[65]);
	/* Optional, and both or none: for somebody who transfers by himself. The descriptors of
	 * its files (borrowed), and how many; */
	int (*files)(struct block *b, int fd[BLOCK_FILES]);
	/* and in which of them, by number, all of [off, off+len) lies now, from *at on; negative
	 * when it is in no one place, or a write needs more than bytes put there. */
	int (*place)(struct block *b, bool write, uint64_t off, uint64_t len, uint64_t *at);
	/* Optional, of a file that only one may write: lets go of it for another process (nothing
	 * in flight, flushed), or takes it again: 0, or -EBUSY while another has it. */
	int (*hand_over)(struct block *b, bool away);
};

struct block {
	const struct block_ops *ops;
	uint64_t size;		/* bytes, a multiple of 512 */
	uint32_t discard_bytes; /* smallest useful discard */
	bool read_only;
};

/* A raw file or block device. A writable one is locked against a second user. */
struct block *block_raw_open(const char *path, bool read_only, struct err *e) must_check;
/* The same over a descriptor that somebody passed and says is `name`; ours on success. Opens
 * nothing. */
struct block *block_raw_adopt(int fd, const char *name, bool read_only, struct err *e) must_check;
static inline void block_close(struct block *b)
{
	if (b)
		b->ops->close(b);
}

/* preadv/pwritev of the whole of iov in spite of short transfers; reads beyond the end of the file
 * are zeros. For backends. */
int block_preadv(int fd, const struct iovec *iov, int n, uint64_t off) must_check;
int block_pwritev(int fd, const struct iovec *iov, int n, uint64_t off) must_check;
/* Zeros at [off, off+len), by punching a hole where allowed and possible. For backends. */
int block_zero(int fd, uint64_t off, uint64_t len, bool may_unmap) must_check;
/* Takes a whole-file lock (shared or exclusive); -EBUSY with a message when another holds it. */
int block_lock(int fd, bool exclusive, const char *path, struct err *e) must_check;
/* What a backend's hand_over() does with its file. */
int block_relock(int fd, bool away) must_check;

#endif
