/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding the structures (virtio 1.2 §4.1.4), initialisation (§3.1.1), split rings (§2.7), packed
 * rings (§2.8) with the interrupts always on.
 */
#include "tests/guest/virtio.h"

#include "tests/guest/hw.h"

enum {
	CAP_COMMON = 1,
	CAP_NOTIFY = 2,
	CAP_DEVICE = 4
};
enum {
	C_DRIVER_SELECT = 8,
	C_DRIVER = 12,
	C_MSIX_CONFIG = 16,
	C_STATUS = 20,
	C_Q_SELECT = 22,
	C_Q_SIZE = 24,
	C_Q_VECTOR = 26,
	C_Q_ENABLE = 28,
	C_Q_NOTIFY = 30,
	C_Q_DESC = 32,
	C_Q_AVAIL = 40,
	C_Q_USED = 48,
};
enum {
	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8
};
enum {
	DESC_NEXT = 1,
	DESC_WRITE = 2
};

enum {
	AVAIL = 1 << 7,
	USED = 1 << 15
};

bool virtio_packed;

static void find_structures(struct virtio *v)
{
	for (unsigned cap = pci_cap(v->slot, 0, 9); cap; cap = pci_cap(v->slot, cap, 9)) {
		unsigned type = pci_read(v->slot, cap) >> 24;
		uint64_t at = pci_bar(v->slot, pci_read(v->slot, cap + 4) & 7) +
			      pci_read(v->slot, cap + 8);

		if (type == CAP_COMMON) {
			v->common = at;
		} else if (type == CAP_DEVICE) {
			v->device = at;
		} else if (type == CAP_NOTIFY) {
			v->notify = at;
			v->notify_multiplier = pci_read(v->slot, cap + 16);
		}
	}
}

static void status(struct virtio *v, uint8_t bit)
{
	mmio_write8(v->common + C_STATUS, mmio_read8(v->common + C_STATUS) | bit);
}

bool virtio_open(struct virtio *v, unsigned type, unsigned nth, uint64_t features)
{
	unsigned slot = 0;

	*v = (struct virtio){0};
	for (;; slot++) {
		if (slot == 32)
			return false;
		if (pci_read(slot, 0) == ((0x1040 + type) << 16 | 0x1af4) && nth-- == 0)
			break;
	}
	v->slot = slot;
	find_structures(v);
	if (!v->common || !v->notify)
		return false;
	pci_write(slot, 4, 6); /* memory, bus master */
	pci_msix_enable(slot);
	mmio_write8(v->common + C_STATUS, 0);
	while (mmio_read8(v->common + C_STATUS))
		continue;
	status(v, ACKNOWLEDGE);
	status(v, DRIVER);
	features |= 1ull << 32 | (virtio_packed ? 1ull << 34 : 0);
	for (unsigned i = 0; i < 2; i++) {
		mmio_write32(v->common + C_DRIVER_SELECT, i);
		mmio_write32(v->common + C_DRIVER, (uint32_t)(features >> 32 * i));
	}
	status(v, FEATURES_OK);
	mmio_write16(v->common + C_MSIX_CONFIG, 0);
	return mmio_read8(v->common + C_STATUS) & FEATURES_OK;
}

static void write_address(uint64_t reg, const volatile void *p)
{
	mmio_write32(reg, (uint32_t)(uint64_t)p);
	mmio_write32(reg + 4, 0);
}

bool virtio_queue(struct virtio *v, struct queue *q, unsigned number)
{
	mmio_write16(v->common + C_Q_SELECT, (uint16_t)number);
	if (mmio_read16(v->common + C_Q_SIZE) < RING)
		return false;
	q->number = (uint16_t)number;
	q->is_packed = virtio_packed;
	q->wrap = q->seen_wrap = true;
	mmio_write16(v->common + C_Q_SIZE, RING);
	mmio_write16(v->common + C_Q_VECTOR, 0);
	write_address(v->common + C_Q_DESC, q->desc);
	write_address(v->common + C_Q_AVAIL, &q->avail);
	write_address(v->common + C_Q_USED, &q->used);
	q->notify = v->notify + mmio_read16(v->common + C_Q_NOTIFY) * v->notify_multiplier;
	mmio_write16(v->common + C_Q_ENABLE, 1);
	return true;
}

void virtio_go(struct virtio *v)
{
	status(v, DRIVER_OK);
}

/* §2.8.6: the first descriptor's flags last. */
static void offer_packed(struct queue *q, const struct piece *p, unsigned n, uint16_t id)
{
	unsigned first = q->next;
	uint16_t first_flags = 0;

	q->takes[id] = (uint16_t)n;
	for (unsigned i = 0; i < n; i++) {
		uint16_t flags =
			(uint16_t)((i + 1 < n ? DESC_NEXT : 0) | (p[i].write ? DESC_WRITE : 0) |
				   (q->wrap ? AVAIL : USED));

		q->packed[q->next].at = (uint64_t)p[i].at;
		q->packed[q->next].len = p[i].len;
		q->packed[q->next].id = id;
		if (i)
			q->packed[q->next].flags = flags;
		else
			first_flags = flags;
		if (++q->next == RING) {
			q->next = 0;
			q->wrap = !q->wrap;
		}
	}
	__atomic_store_n(&q->packed[first].flags, first_flags, __ATOMIC_RELEASE);
}

static int take_packed(struct queue *q)
{
	uint16_t flags = __atomic_load_n(&q->packed[q->seen].flags, __ATOMIC_ACQUIRE);
	int id = q->packed[q->seen].id % RING;

	if (!(flags & AVAIL) == q->seen_wrap || !(flags & USED) == q->seen_wrap)
		return -1;
	q->seen = (uint16_t)(q->seen + q->takes[id]);
	if (q->seen >= RING) {
		q->seen = (uint16_t)(q->seen - RING);
		q->seen_wrap = !q->seen_wrap;
	}
	return id;
}

static void make_available(struct queue *q, uint16_t head)
{
	q->avail.ring[q->avail.idx % RING] = head;
	__atomic_store_n(&q->avail.idx, (uint16_t)(q->avail.idx + 1), __ATOMIC_RELEASE);
}

void virtio_kick(struct queue *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write16(q->notify, q->number);
}

int virtio_take(struct queue *q)
{
	if (q->is_packed)
		return take_packed(q);
	if (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) == q->seen)
		return -1;
	return (int)q->used.ring[q->seen++ % RING].id;
}

void virtio_call(struct queue *q, const struct piece *p, unsigned n)
{
	for (unsigned i = 0; i < n && !q->is_packed; i++)
		q->desc[i] = (struct ring_desc){.at = (uint64_t)p[i].at,
						.len = p[i].len,
						.flags = (uint16_t)((i + 1 < n ? DESC_NEXT : 0) |
								    (p[i].write ? DESC_WRITE : 0)),
						.next = (uint16_t)(i + 1)};
	if (q->is_packed)
		offer_packed(q, p, n, 0);
	else
		make_available(q, 0);
	virtio_kick(q);
	for (;;) {
		device_interrupt = false;
		if (virtio_take(q) >= 0)
			break;
		sleep_unless(&device_interrupt);
	}
	device_interrupt = true; /* another queue's interrupt may have been swallowed */
}

void virtio_offer(struct queue *q, void *base, uint32_t size, unsigned i)
{
	const struct piece p = {(uint8_t *)base + i * size, size, true};

	if (q->is_packed) {
		offer_packed(q, &p, 1, (uint16_t)i);
		return;
	}
	q->desc[i] = (struct ring_desc){
		.at = (uint64_t)base + i * size, .len = size, .flags = DESC_WRITE};
	make_available(q, (uint16_t)i);
}
