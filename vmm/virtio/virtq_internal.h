/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two layouts of a virtqueue share: virtq.c (split) and virtq_packed.c.
 */
#ifndef PANE_VMM_VIRTIO_VIRTQ_INTERNAL_H
#define PANE_VMM_VIRTIO_VIRTQ_INTERNAL_H

#include "vmm/virtio/virtq.h"

enum {
	VIRTQ_DESC_BYTES = 16,
	VIRTQ_DESC_F_NEXT = 1,
	VIRTQ_DESC_F_WRITE = 2,
	VIRTQ_DESC_F_INDIRECT = 4
};

/* Ring fields are naturally aligned (checked when a queue is enabled): these are single accesses.
 */
static inline uint16_t virtq_load16(const uint8_t *p)
{
	return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
}

static inline void virtq_store16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELEASE);
}

/* -EPROTO; the first reason stands. */
int virtq_broken(struct virtq *q, const char *why);
/* Appends a buffer to c: 0, or -EPROTO when it may not be there. */
int virtq_add_buffer(struct virtq *q, struct virtq_chain *c, uint64_t addr, uint32_t len,
		     uint16_t flags) must_check;
/* The indirect table of a descriptor (§2.7.5.3, §2.8.7), *n of them; NULL when it may not be. */
const uint8_t *virtq_table(struct virtq *q, uint64_t addr, uint32_t len, uint32_t *n) must_check;

/* What virtq.h says, for q->packed. */
int virtq_packed_enable(struct virtq *q) must_check;
bool virtq_packed_waiting(const struct virtq *q) must_check;
int virtq_packed_pop(struct virtq *q, struct virtq_chain *c) must_check;
void virtq_packed_unpop(struct virtq *q);
void virtq_packed_push(struct virtq *q, const struct virtq_used *u, unsigned n);
bool virtq_packed_wants_signal(struct virtq *q) must_check;
void virtq_packed_notify_enable(struct virtq *q, bool on);

#endif
