/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The driver side of virtio 1.2 over PCI, as small as it gets: one request at a time where the card
 * asks, and a ring of small buffers where a device tells. Split rings, or packed ones where
 * virtio_packed says so.
 */
#ifndef PANE_TESTS_GUEST_VIRTIO_H
#define PANE_TESTS_GUEST_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define RING 16

struct ring_desc {
	uint64_t at;
	uint32_t len;
	uint16_t flags, next;
};

/* Packed, as the fields lie there: id and flags come in the other order. */
struct queue {
	union {
		struct ring_desc desc[RING];
		struct {
			uint64_t at;
			uint32_t len;
			uint16_t id, flags;
		} packed[RING];
	} __attribute__((aligned(4096)));
	uint16_t next; /* packed: where the next offer goes */
	bool wrap, seen_wrap, is_packed;
	uint16_t takes[RING]; /* packed: descriptors of the chain with this id */
	struct {
		uint16_t flags, idx, ring[RING];
	} avail __attribute__((aligned(64)));
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[RING];
	} used __attribute__((aligned(64)));
	uint16_t seen;
	uint64_t notify; /* register */
	uint16_t number;
};

struct virtio {
	unsigned slot;
	uint64_t common, device, notify;
	uint32_t notify_multiplier;
};

extern bool virtio_packed;

/* The nth device of this type, reset and negotiated with these features (and version 1). */
bool virtio_open(struct virtio *v, unsigned type, unsigned nth, uint64_t features);
bool virtio_queue(struct virtio *v, struct queue *q, unsigned number);
void virtio_go(struct virtio *v);

/* One request: out bytes to the device, in bytes from it (either may be empty), waits for it. */
struct piece {
	void *at;
	uint32_t len;
	bool write; /* by the device */
};
void virtio_call(struct queue *q, const struct piece *p, unsigned n);
/* Offers buffer number i (size bytes at base + i * size) to the device. */
void virtio_offer(struct queue *q, void *base, uint32_t size, unsigned i);
void virtio_kick(struct queue *q);
/* The number of a buffer the device filled, or -1. */
int virtio_take(struct queue *q);

#endif
