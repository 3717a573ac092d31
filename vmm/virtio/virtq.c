/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Split virtqueue, device side, and what both layouts share; see virtq.h for what is promised.
 *
 * Memory order (virtio 1.2 §2.7.13): an acquire load of avail->idx comes before reading the ring
 * and descriptors; a release store of used->idx comes after writing the used element; and a full
 * fence stands between publishing used->idx (or avail_event) and reading used_event (or
 * avail->idx), because the driver does the mirror image.
 */
#include "vmm/virtio/virtq.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtq_internal.h"

enum {
	AVAIL_F_NO_INTERRUPT = 1,
	USED_F_NO_NOTIFY = 1
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static void store32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)p, v, __ATOMIC_RELAXED);
}

static uint16_t avail_idx(const struct virtq *q)
{
	return virtq_load16(q->avail + 2);
}

static uint16_t used_event(const struct virtq *q)
{
	return virtq_load16(q->avail + 4 + 2u * q->size);
}

static uint8_t *avail_event(const struct virtq *q)
{
	return q->used + 4 + 8u * q->size;
}

int virtq_broken(struct virtq *q, const char *why)
{
	if (!q->broken)
		q->broken = why;
	return -EPROTO;
}

void virtq_init(struct virtq *q, const struct vm_mem *mem, uint16_t max_size)
{
	memset(q, 0, sizeof(*q));
	q->mem = mem;
	q->max_size = max_size;
	q->size = max_size;
	q->vector = UINT16_MAX;
	q->avail_wrap = q->used_wrap = true; /* §2.8.1 */
	q->fresh = UINT16_MAX;		     /* so that the driver is told of the first one */
}

void virtq_reset(struct virtq *q)
{
	virtq_init(q, q->mem, q->max_size);
}

/* §2.7: alignment 16, 2, 4; sizes 16 n, 6 + 2 n, 6 + 8 n with the event fields. */
int virtq_enable(struct virtq *q)
{
	uint32_t n = q->size;

	if (q->enabled)
		return 0;
	q->broken = NULL;
	if (q->packed)
		return virtq_packed_enable(q);
	if (n == 0 || n > q->max_size || (n & (n - 1)) != 0)
		q->broken = "queue size is no power of two within the maximum";
	else if ((q->desc_gpa & 15) != 0 || (q->avail_gpa & 1) != 0 || (q->used_gpa & 3) != 0)
		q->broken = "misaligned ring";
	if (q->broken)
		return -EINVAL;
	q->desc = vm_mem_ptr(q->mem, q->desc_gpa, (size_t)VIRTQ_DESC_BYTES * n);
	q->avail = vm_mem_ptr(q->mem, q->avail_gpa, 6 + 2u * n);
	q->used = vm_mem_ptr(q->mem, q->used_gpa, 6 + 8u * n);
	if (!q->desc || !q->avail || !q->used) {
		q->broken = "ring outside guest RAM";
		return -EINVAL;
	}
	q->enabled = true;
	return 0;
}

static struct desc desc_get(const uint8_t *table, uint32_t i)
{
	uint8_t raw[VIRTQ_DESC_BYTES];

	memcpy(raw, table + (size_t)i * VIRTQ_DESC_BYTES, sizeof(raw));
	return (struct desc){.addr = get_le64(raw),
			     .len = get_le32(raw + 8),
			     .flags = get_le16(raw + 12),
			     .next = get_le16(raw + 14)};
}

int virtq_add_buffer(struct virtq *q, struct virtq_chain *c, uint64_t addr, uint32_t len,
		     uint16_t flags)
{
	uint32_t n = c->out_n + c->in_n;
	void *p;

	if (n == VIRTQ_MAX_SEGS)
		return virtq_broken(q, "too many buffers in a chain");
	if (len == 0)
		return virtq_broken(q, "empty buffer");
	p = vm_mem_ptr(q->mem, addr, len);
	if (!p)
		return virtq_broken(q, "buffer outside guest RAM");
	if (flags & VIRTQ_DESC_F_WRITE) {
		c->in_n++;
		c->in_len += len;
	} else {
		if (c->in_n)
			return virtq_broken(q, "readable buffer after a writable one");
		c->out_n++;
		c->out_len += len;
	}
	c->iov[n] = (struct iovec){.iov_base = p, .iov_len = len};
	return 0;
}

const uint8_t *virtq_table(struct virtq *q, uint64_t addr, uint32_t len, uint32_t *n)
{
	const uint8_t *table = NULL;

	*n = len / VIRTQ_DESC_BYTES;
	if (len == 0 || len % VIRTQ_DESC_BYTES != 0 || *n > VIRTQ_MAX_SEGS)
		(void)virtq_broken(q, "bad indirect table length");
	else if (!(table = vm_mem_ptr(q->mem, addr, len)))
		(void)virtq_broken(q, "indirect table outside guest RAM");
	return table;
}

/* Follows a chain through a table of n descriptors from index i. Each step uses one up, so a loop
 * ends after n. An indirect descriptor (§2.7.5.3) is followed once and must be the last. */
static int walk(struct virtq *q, struct virtq_chain *c, const uint8_t *table, uint32_t n,
		uint32_t i, bool nested)
{
	for (uint32_t steps = 0; steps < n; steps++) {
		struct desc d;

		if (i >= n)
			return virtq_broken(q, "descriptor index out of range");
		d = desc_get(table, i);
		if (d.flags & VIRTQ_DESC_F_INDIRECT) {
			const uint8_t *sub;
			uint32_t subs = 0;

			if (!q->indirect || nested || (d.flags & VIRTQ_DESC_F_NEXT))
				return virtq_broken(q, "indirect descriptor not allowed here");
			sub = virtq_table(q, d.addr, d.len, &subs);
			return sub ? walk(q, c, sub, subs, 0, true) : -EPROTO;
		}
		if (virtq_add_buffer(q, c, d.addr, d.len, d.flags) < 0)
			return -EPROTO;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
	return virtq_broken(q, "descriptor loop");
}

bool virtq_waiting(const struct virtq *q)
{
	if (!q->enabled || q->broken)
		return false;
	return q->packed ? virtq_packed_waiting(q) : avail_idx(q) != q->avail_next;
}

static int split_pop(struct virtq *q, struct virtq_chain *c)
{
	uint16_t waiting = (uint16_t)(avail_idx(q) - q->avail_next), head;

	if (waiting == 0)
		return 0;
	if (waiting > q->size)
		return virtq_broken(q, "available index ran away");
	if (q->out >= q->size)
		return virtq_broken(q, "more chains than descriptors");
	head = virtq_load16(q->avail + 4 + 2u * (q->avail_next & (q->size - 1u)));
	if (head >= q->size)
		return virtq_broken(q, "chain head out of range");
	c->head = head;
	if (walk(q, c, q->desc, q->size, head, false) < 0)
		return -EPROTO;
	q->avail_next++;
	q->out++;
	return 1;
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	if (q->broken)
		return -EPROTO;
	if (!q->enabled)
		return 0;
	c->out_n = c->in_n = 0;
	c->out_len = c->in_len = 0;
	return q->packed ? virtq_packed_pop(q, c) : split_pop(q, c);
}

void virtq_unpop(struct virtq *q)
{
	if (q->packed) {
		virtq_packed_unpop(q);
		return;
	}
	q->avail_next--;
	q->out--;
}

void virtq_unpop_many(struct virtq *q, const struct virtq_used *u, unsigned n)
{
	while (n-- > 0) {
		q->popped = u[n].descs;
		virtq_unpop(q);
	}
}

/* When it is returned, at the latest, all of it is written, also of a request that failed half-way.
 */
void virtq_wrote(const struct virtq *q, const struct virtq_chain *c)
{
	for (uint32_t i = 0; i < c->in_n; i++)
		vm_mem_wrote(q->mem, c->iov[c->out_n + i].iov_base, c->iov[c->out_n + i].iov_len);
}

void virtq_push(struct virtq *q, const struct virtq_chain *c, uint32_t written)
{
	const struct virtq_used u = {.head = c->head, .descs = c->descs, .written = written};

	virtq_wrote(q, c);
	virtq_push_many(q, &u, 1);
}

void virtq_push_many(struct virtq *q, const struct virtq_used *u, unsigned n)
{
	if (!q->enabled || q->broken || q->out < n || n == 0)
		return;
	if (q->packed) {
		virtq_packed_push(q, u, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t *elem = q->used + 4 + 8u * (q->used_next & (q->size - 1u));

		store32(elem, u[i].head);
		store32(elem + 4, u[i].written);
		vm_mem_wrote(q->mem, elem, 8);
		q->used_next++;
		q->out--;
	}
	virtq_store16(q->used + 2, q->used_next);
	vm_mem_wrote(q->mem, q->used, 4);
}

bool virtq_wants_signal(struct virtq *q)
{
	uint16_t old, event;
	bool valid;

	if (!q->enabled || q->broken)
		return false;
	__sync_synchronize();
	if (q->packed)
		return virtq_packed_wants_signal(q);
	if (!q->event_idx)
		return !(virtq_load16(q->avail) & AVAIL_F_NO_INTERRUPT);
	old = q->signalled;
	valid = q->signalled_valid;
	q->signalled = q->used_next;
	q->signalled_valid = true;
	event = used_event(q);
	/* §2.7.10: has used_next moved past event since old? */
	return !valid || (uint16_t)(q->used_next - event - 1) < (uint16_t)(q->used_next - old);
}

bool virtq_notify_enable(struct virtq *q, bool on)
{
	if (!q->enabled || q->broken)
		return false;
	if (q->packed) {
		virtq_packed_notify_enable(q, on);
	} else if (q->event_idx) {
		/* Off: leave avail_event behind, the driver then does not notify (§2.7.10). */
		if (on)
			virtq_store16(avail_event(q), q->avail_next);
		vm_mem_wrote(q->mem, avail_event(q), 2);
	} else {
		virtq_store16(q->used, on ? 0 : USED_F_NO_NOTIFY);
		vm_mem_wrote(q->mem, q->used, 2);
	}
	if (!on)
		return false;
	__sync_synchronize();
	return virtq_waiting(q);
}

/* Walks iov[0..n) from byte off, copying at most len bytes to (or from) p. */
static size_t copy(const struct iovec *iov, uint32_t n, uint64_t off, uint8_t *dst,
		   const uint8_t *src, size_t len)
{
	size_t done = 0;

	for (uint32_t i = 0; i < n && done < len; i++) {
		uint8_t *base = iov[i].iov_base;
		size_t part;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - off;
		if (part > len - done)
			part = len - done;
		if (dst)
			memcpy(dst + done, base + off, part);
		else
			memcpy(base + off, src + done, part);
		done += part;
		off = 0;
	}
	return done;
}

size_t virtq_read(const struct virtq_chain *c, uint64_t off, void *dst, size_t n)
{
	return n ? copy(c->iov, c->out_n, off, dst, NULL, n) : 0;
}

size_t virtq_write(const struct virtq_chain *c, uint64_t off, const void *src, size_t n)
{
	return copy(c->iov + c->out_n, c->in_n, off, NULL, src, n);
}

int virtq_slice(const struct virtq_chain *c, bool writable, uint64_t off, uint64_t len,
		struct iovec *out)
{
	const struct iovec *iov = writable ? c->iov + c->out_n : c->iov;
	uint32_t n = writable ? c->in_n : c->out_n;
	int used = 0;

	if (!range_ok(off, len, writable ? c->in_len : c->out_len))
		return -EINVAL;
	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint64_t part;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - off;
		if (part > len)
			part = len;
		out[used++] = (struct iovec){.iov_base = (uint8_t *)iov[i].iov_base + off,
					     .iov_len = part};
		len -= part;
		off = 0;
	}
	return used;
}
