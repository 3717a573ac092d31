/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk in memory that counts, and fails as it is told: for the tests of controllers.
 */
#ifndef PANE_TESTS_VMM_PC_FAKE_DISK_H
#define PANE_TESTS_VMM_PC_FAKE_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "vmm/mem.h"
#include "vmm/virtio/block.h"

#define FAKE_DISK_BYTES (4096 * 512)

struct fake_disk {
	struct block block;
	uint8_t bytes[FAKE_DISK_BYTES];
	unsigned flushes, discards;
	uint64_t discarded, zeroed; /* bytes */
	int error;		    /* what transfers and flushes end with */
};

static inline struct fake_disk *fake_disk_of(struct block *b)
{
	return (struct fake_disk *)(void *)b;
}

static inline int fake_disk_readv(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	for (int i = 0; i < n; off += iov[i++].iov_len) {
		assert_true(range_ok(off, iov[i].iov_len, b->size));
		memcpy(iov[i].iov_base, fake_disk_of(b)->bytes + off, iov[i].iov_len);
	}
	return fake_disk_of(b)->error;
}

static inline int fake_disk_writev(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	for (int i = 0; i < n; off += iov[i++].iov_len) {
		assert_true(range_ok(off, iov[i].iov_len, b->size));
		memcpy(fake_disk_of(b)->bytes + off, iov[i].iov_base, iov[i].iov_len);
	}
	return fake_disk_of(b)->error;
}

static inline int fake_disk_flush(struct block *b)
{
	fake_disk_of(b)->flushes++;
	return fake_disk_of(b)->error;
}

static inline int fake_disk_discard(struct block *b, uint64_t off, uint64_t len)
{
	assert_true(range_ok(off, len, b->size));
	fake_disk_of(b)->discards++;
	fake_disk_of(b)->discarded += len;
	return 0;
}

static inline int fake_disk_zeroes(struct block *b, uint64_t off, uint64_t len, bool may_unmap)
{
	(void)may_unmap;
	assert_true(range_ok(off, len, b->size));
	fake_disk_of(b)->zeroed += len;
	return 0;
}

static inline void fake_disk_close(struct block *b)
{
	(void)b; /* the test's */
}

/* Owned by the caller: free(). size: bytes, at most FAKE_DISK_BYTES. */
static inline struct fake_disk *fake_disk_new(uint64_t size)
{
	static const struct block_ops ops = {.readv = fake_disk_readv,
					     .writev = fake_disk_writev,
					     .flush = fake_disk_flush,
					     .discard = fake_disk_discard,
					     .write_zeroes = fake_disk_zeroes,
					     .close = fake_disk_close};
	struct fake_disk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->block = (struct block){.ops = &ops, .size = size};
	return d;
}

#endif
