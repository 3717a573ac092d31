/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One virtqueue, device side, split (virtio 1.2 §2.7) or packed (§2.8): indirect descriptors and
 * EVENT_IDX in both.
 *
 * The guest owns the memory and may change it at any moment, so every index, descriptor and length
 * is read once, checked, then used. Nonsense (an index that ran away, a head out of range, a loop,
 * a buffer outside RAM, device-readable after device-writable) breaks the queue for good: q->broken
 * says why, pop and push refuse, and the device asks for a reset (virtio.h). At most q->size chains
 * (packed: descriptors of chains) are out at a time.
 *
 * Not thread-safe: the owner holds the device lock (virtio.h). A popped chain may be read and
 * filled without it; the chain's pointers stay valid as long as guest RAM does.
 */
#ifndef PANE_VMM_VIRTIO_VIRTQ_H
#define PANE_VMM_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "common/cleanup.h"

#define VIRTQ_MAX_SIZE 1024 /* descriptors in a ring */
#define VIRTQ_MAX_SEGS 512  /* buffers in a chain */

struct vm_mem;

struct virtq {
	const struct vm_mem *mem; /* borrowed */
	uint16_t max_size;	  /* what the device offers */
	uint16_t size;		  /* what the driver chose; split: a power of two */
	uint16_t vector;	  /* MSI-X vector, the transport's */
	bool enabled;
	bool event_idx, indirect, packed;	/* negotiated */
	uint64_t desc_gpa, avail_gpa, used_gpa; /* as the driver wrote them; packed: of the ring,
						   and of the driver's and our event suppression */
	const char *broken;			/* why the queue is dead, NULL while it is well */

	/* Valid while enabled; pointers into guest RAM. */
	const uint8_t *desc; /* split */
	uint8_t *ring;	     /* packed */
	uint8_t *avail, *used;
	uint16_t avail_next, used_next; /* split: free running; packed: position in the ring */
	bool avail_wrap, used_wrap;	/* packed: wrap counters */
	uint16_t signalled;		/* used_next when the driver was last interrupted */
	bool signalled_valid;
	uint16_t out;	 /* chains popped and not yet pushed */
	uint16_t taken;	 /* packed: descriptors of those */
	uint16_t popped; /* packed: descriptors of the last chain */
	uint16_t fresh;	 /* packed: descriptors pushed since virtq_wants_signal(); saturating */
};

/* What the driver made available as one request: iov[0..out_n) is device-readable, the in_n after
 * them device-writable. No buffer is empty. */
struct virtq_chain {
	uint16_t head;	/* packed: buffer id */
	uint16_t descs; /* packed: how many descriptors it takes in the ring */
	uint32_t out_n, in_n;
	uint64_t out_len, in_len; /* bytes */
	struct iovec iov[VIRTQ_MAX_SEGS];
};

void virtq_init(struct virtq *q, const struct vm_mem *mem, uint16_t max_size);
/* Back to the state after virtq_init(). */
void virtq_reset(struct virtq *q);
/* Checks size and addresses and starts the queue: 0, or -EINVAL with q->broken set. */
int virtq_enable(struct virtq *q) must_check;

/* 1 and *c filled, 0 when nothing is there, -EPROTO when the queue is (now) broken. */
int virtq_pop(struct virtq *q, struct virtq_chain *c) must_check;
/* Returns a chain to the driver with `written` bytes in its device-writable part. */
void virtq_push(struct virtq *q, const struct virtq_chain *c, uint32_t written);
/* Puts the most recently popped chain back, as though it had not been popped. */
void virtq_unpop(struct virtq *q);

/* A chain that is kept no longer than it takes to return it. */
struct virtq_used {
	uint16_t head, descs; /* as in struct virtq_chain */
	uint32_t written;
};
/* Whoever returns one that way says before that its writable part was written (vm_mem_wrote()). */
void virtq_wrote(const struct virtq *q, const struct virtq_chain *c);
/* Returns n chains in the order they were popped; the driver sees all of them or none (§5.1.6.4
 * wants that of a frame in several buffers). */
void virtq_push_many(struct virtq *q, const struct virtq_used *u, unsigned n);
/* Puts n chains back, the most recently popped ones, given in the order they were popped. */
void virtq_unpop_many(struct virtq *q, const struct virtq_used *u, unsigned n);
/* After one or more pushes: whether the driver wants an interrupt (§2.7.7, §2.7.10). */
bool virtq_wants_signal(struct virtq *q);
/* Asks the driver to notify (or not to bother); returns true when chains came in meanwhile, so
 * that the caller looks again before it waits. */
bool virtq_notify_enable(struct virtq *q, bool on);
/* Whether a chain is waiting. */
bool virtq_waiting(const struct virtq *q);

/* Copies from the readable or into the writable part of c, from byte off; returns how many bytes
 * there were, at most n. */
size_t virtq_read(const struct virtq_chain *c, uint64_t off, void *dst, size_t n);
size_t virtq_write(const struct virtq_chain *c, uint64_t off, const void *src, size_t n);
/* The buffers covering [off, off+len) of the readable or writable part, in out (VIRTQ_MAX_SEGS
 * entries): their number, or -EINVAL when the part is shorter. */
int virtq_slice(const struct virtq_chain *c, bool writable, uint64_t off, uint64_t len,
		struct iovec *out) must_check;

#endif
