/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A guest for device tests and fuzz targets: fake RAM, a driver's side of virtqueues of both
 * layouts, a transport that counts interrupts. It follows the specification unless a test makes it
 * misbehave by writing the rings itself. One thread, plus whatever threads the device has.
 */
#ifndef PANE_TESTS_VMM_VIRTIO_GUEST_H
#define PANE_TESTS_VMM_VIRTIO_GUEST_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio.h"

#define GUEST_RAM (8u << 20)

/* VIRTIO_F_RING_PACKED while all tests of a device run once more with packed rings. */
static uint64_t guest_layout;
#define guest_both_layouts(tests)                                                                  \
	(cmocka_run_group_tests(tests, NULL, NULL) +                                               \
	 (guest_layout = VIRTIO_F_RING_PACKED, cmocka_run_group_tests(tests, NULL, NULL)))

struct guest_queue {
	uint64_t desc, avail, used;
	uint16_t size, next_desc, avail_idx, used_seen;
	/* Packed: next_desc and used_seen are positions in the ring. */
	bool packed, wrap, used_wrap;
	uint16_t descs[VIRTQ_MAX_SIZE]; /* of the chain with this id */
};

struct guest {
	struct vm_mem *mem;
	struct loop *loop;
	struct virtio_dev *dev;
	uint64_t top; /* first free byte of RAM */
	struct guest_queue q[VIRTIO_QUEUES];
	int signals[VIRTIO_QUEUES], config_signals, kicks; /* atomics */
};

struct guest_buf {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

static inline void guest_signal_queue(void *arg, unsigned q)
{
	__atomic_add_fetch(&((struct guest *)arg)->signals[q], 1, __ATOMIC_SEQ_CST);
}

static inline void guest_signal_config(void *arg)
{
	__atomic_add_fetch(&((struct guest *)arg)->config_signals, 1, __ATOMIC_SEQ_CST);
}

static inline void guest_kick(void *arg, unsigned q)
{
	(void)q;
	__atomic_add_fetch(&((struct guest *)arg)->kicks, 1, __ATOMIC_SEQ_CST);
}

static inline void guest_init(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	g->mem = vm_mem_new(GUEST_RAM, NULL);
	g->loop = loop_new();
	if (!g->mem || !g->loop)
		abort();
	g->top = 4096;
}

static inline void guest_fini(struct guest *g)
{
	loop_free(g->loop);
	vm_mem_free(g->mem);
}

static inline struct virtio_env guest_env(struct guest *g)
{
	return (struct virtio_env){.mem = g->mem, .loop = g->loop};
}

static inline void *guest_at(struct guest *g, uint64_t gpa)
{
	return g->mem->base + gpa; /* all of the test's RAM is one low region */
}

static inline uint64_t guest_alloc(struct guest *g, uint64_t n)
{
	uint64_t at = g->top;

	g->top = (g->top + n + 63) & ~63ull;
	if (g->top > GUEST_RAM)
		abort();
	return at;
}

static inline uint64_t guest_put(struct guest *g, const void *p, size_t n)
{
	uint64_t at = guest_alloc(g, n);

	memcpy(guest_at(g, at), p, n);
	return at;
}

static inline void guest_queue_init(struct guest *g, unsigned i, uint16_t size)
{
	struct guest_queue *q = &g->q[i];

	*q = (struct guest_queue){.size = size, .wrap = true, .used_wrap = true};
	q->desc = guest_alloc(g, 16u * size);
	q->avail = guest_alloc(g, 6 + 2u * size);
	q->used = guest_alloc(g, 6 + 8u * size);
	memset(guest_at(g, q->desc), 0, 16u * size);
	memset(guest_at(g, q->avail), 0, 6 + 2u * size);
	memset(guest_at(g, q->used), 0, 6 + 8u * size);
}

static inline void guest_queue_bind(struct guest *g, unsigned i, struct virtq *vq)
{
	vq->size = g->q[i].size;
	vq->desc_gpa = g->q[i].desc;
	vq->avail_gpa = g->q[i].avail;
	vq->used_gpa = g->q[i].used;
}

/* Everything a driver does up to DRIVER_OK, accepting the given features besides VERSION_1. */
static inline void guest_start(struct guest *g, struct virtio_dev *d, uint64_t features)
{
	features |= VIRTIO_F_VERSION_1 | guest_layout;
	g->dev = d;
	d->transport = g;
	d->signal_queue = guest_signal_queue;
	d->signal_config = guest_signal_config;
	d->kick = guest_kick;
	virtio_status_set(d, 0);
	virtio_status_set(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
	virtio_features_set(d, 0, (uint32_t)features);
	virtio_features_set(d, 1, (uint32_t)(features >> 32));
	virtio_status_set(d, VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
	for (unsigned i = 0; i < d->queues; i++) {
		guest_queue_init(g, i, d->queue_size[i]);
		g->q[i].packed = (features & VIRTIO_F_RING_PACKED) != 0;
		guest_queue_bind(g, i, &d->vq[i]);
		virtio_queue_enable(d, i);
	}
	virtio_status_set(d, 0xf);
}

static inline void guest_desc(struct guest *g, unsigned i, uint16_t n, uint64_t addr, uint32_t len,
			      uint16_t flags, uint16_t next)
{
	uint8_t *p = (uint8_t *)guest_at(g, g->q[i].desc) + 16u * n;

	put_le64(p, addr);
	put_le32(p + 8, len);
	put_le16(p + 12, flags);
	put_le16(p + 14, next);
}

/* virtio 1.2 §2.8.1: the two bits that make a descriptor the device's. */
static inline uint16_t guest_offer(const struct guest_queue *q)
{
	return q->wrap ? 1u << 7 : 1u << 15;
}

static inline void guest_publish(struct guest *g, unsigned i, uint16_t head)
{
	struct guest_queue *q = &g->q[i];
	uint8_t *avail = guest_at(g, q->avail);

	if (q->packed) {
		uint8_t *flags = (uint8_t *)guest_at(g, q->desc) + 16u * (head % q->size) + 14;

		put_le16(flags, (uint16_t)((get_le16(flags) & 7) | guest_offer(q)));
		return;
	}
	put_le16(avail + 4 + 2u * (q->avail_idx % q->size), head);
	q->avail_idx++;
	__atomic_store_n((uint16_t *)(void *)(avail + 2), q->avail_idx, __ATOMIC_RELEASE);
}

static inline uint16_t guest_add_packed(struct guest *g, unsigned i, const struct guest_buf *b,
					unsigned n)
{
	struct guest_queue *q = &g->q[i];
	uint16_t id = q->next_desc, first = 0;

	q->descs[id] = (uint16_t)n;
	for (unsigned k = 0; k < n; k++) {
		uint16_t flags =
			(uint16_t)((b[k].write ? 2 : 0) | (k + 1 < n ? 1 : 0) | guest_offer(q));

		if (k == 0)
			first = flags;
		guest_desc(g, i, q->next_desc, b[k].gpa, b[k].len, id,
			   k	     ? flags
			   : q->wrap ? 1u << 15
				     : 1u << 7);
		if (++q->next_desc == q->size) {
			q->next_desc = 0;
			q->wrap = !q->wrap;
		}
	}
	__atomic_store_n((uint16_t *)(void *)((uint8_t *)guest_at(g, q->desc) + 16u * id + 14),
			 first, __ATOMIC_RELEASE);
	return id;
}

/* Makes n buffers available as one chain; returns its head. Descriptors are used round robin: a
 * test keeps fewer outstanding than there are. */
static inline uint16_t guest_add(struct guest *g, unsigned i, const struct guest_buf *b, unsigned n)
{
	struct guest_queue *q = &g->q[i];
	uint16_t head = q->next_desc;

	if (q->packed)
		return guest_add_packed(g, i, b, n);
	for (unsigned k = 0; k < n; k++) {
		uint16_t at = q->next_desc, next = (uint16_t)((at + 1) % q->size);

		guest_desc(g, i, at, b[k].gpa, b[k].len,
			   (uint16_t)((b[k].write ? 2 : 0) | (k + 1 < n ? 1 : 0)), next);
		q->next_desc = next;
	}
	guest_publish(g, i, head);
	return head;
}

static inline bool guest_used_packed(struct guest *g, unsigned i, uint32_t *head, uint32_t *len)
{
	struct guest_queue *q = &g->q[i];
	const uint8_t *d = (const uint8_t *)guest_at(g, q->desc) + 16u * q->used_seen;
	uint16_t flags =
		__atomic_load_n((const uint16_t *)(const void *)(d + 14), __ATOMIC_ACQUIRE);
	uint16_t id = get_le16(d + 12);

	if (((flags & 1u << 7) != 0) != q->used_wrap || ((flags & 1u << 15) != 0) != q->used_wrap)
		return false;
	if (head)
		*head = id;
	if (len)
		*len = get_le32(d + 8);
	q->used_seen = (uint16_t)(q->used_seen + (id < q->size ? q->descs[id] : 1));
	if (q->used_seen >= q->size) {
		q->used_seen = (uint16_t)(q->used_seen - q->size);
		q->used_wrap = !q->used_wrap;
	}
	return true;
}

/* The next finished chain. */
static inline bool guest_used(struct guest *g, unsigned i, uint32_t *head, uint32_t *len)
{
	struct guest_queue *q = &g->q[i];
	const uint8_t *used = guest_at(g, q->used);
	uint16_t idx =
		__atomic_load_n((const uint16_t *)(const void *)(used + 2), __ATOMIC_ACQUIRE);
	const uint8_t *e = used + 4 + 8u * (q->used_seen % q->size);

	if (q->packed)
		return guest_used_packed(g, i, head, len);
	if (idx == q->used_seen)
		return false;
	if (head)
		*head = get_le32(e);
	if (len)
		*len = get_le32(e + 4);
	q->used_seen++;
	return true;
}

static inline bool guest_needs_reset(struct guest *g)
{
	return (virtio_status_get(g->dev) & VIRTIO_S_NEEDS_RESET) != 0;
}

/* Runs the loop until cond(arg) or the deadline; for devices with threads and timers. */
struct guest_wait {
	struct loop *loop;
	bool (*cond)(void *);
	void *arg;
	struct loop_timer *timer;
	int64_t until_ms;
	bool ok;
};

static inline void guest_wait_step(void *p)
{
	struct guest_wait *w = (struct guest_wait *)p;

	w->ok = w->cond(w->arg);
	if (w->ok || clock_ms() > w->until_ms)
		loop_stop(w->loop);
	else
		loop_timer_set(w->timer, 1);
}

static inline bool guest_wait(struct guest *g, bool (*cond)(void *), void *arg, int64_t ms)
{
	struct guest_wait w = {
		.loop = g->loop, .cond = cond, .arg = arg, .until_ms = clock_ms() + ms};

	w.timer = loop_timer_add(g->loop, 0, guest_wait_step, &w);
	if (!w.timer || loop_run(g->loop) < 0)
		abort();
	loop_timer_del(w.timer);
	return w.ok;
}

#endif
