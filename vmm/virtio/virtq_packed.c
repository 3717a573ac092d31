/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packed virtqueue (virtio 1.2 §2.8), device side; virtq.h says what is promised.
 *
 * One ring of descriptors that both sides write. Whose one is, two bits of its flags tell, compared
 * with a wrap counter that each side flips when it passes the end (§2.8.1): AVAIL equal to the
 * counter and USED different is the driver's offer. A position and its counter together are a place
 * in a ring of twice the size, which is what event suppression compares (place()).
 *
 * Memory order: an acquire load of the first descriptor's flags comes before reading the chain; a
 * release store of a used descriptor's flags after its id and length; a full fence between that (or
 * our event suppression) and reading what the driver does in the mirror image (§2.8.21).
 */
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtq_internal.h"

enum {
	D_LEN = 8,
	D_ID = 12,
	D_FLAGS = 14,
	F_AVAIL = 1 << 7,
	F_USED = 1 << 15
};

/* Event suppression structures, §2.8.14 */
enum {
	E_OFF_WRAP = 0,
	E_FLAGS = 2,
	E_BYTES = 4,
	E_ENABLE = 0,
	E_DISABLE = 1,
	E_DESC = 2,
	E_WRAP = 1 << 15
};

/* §2.8.10.1: alignment 16, 4, 4. The size need not be a power of two. */
int virtq_packed_enable(struct virtq *q)
{
	if (q->size == 0 || q->size > q->max_size)
		q->broken = "queue size is not within the maximum";
	else if ((q->desc_gpa & 15) || (q->avail_gpa & 3) || (q->used_gpa & 3))
		q->broken = "misaligned ring";
	else if (q->avail_next >= q->size || q->used_next >= q->size) /* of a snapshot */
		q->broken = "position outside the ring";
	if (q->broken)
		return -EINVAL;
	q->ring = vm_mem_ptr(q->mem, q->desc_gpa, (size_t)VIRTQ_DESC_BYTES * q->size);
	q->avail = vm_mem_ptr(q->mem, q->avail_gpa, E_BYTES);
	q->used = vm_mem_ptr(q->mem, q->used_gpa, E_BYTES);
	if (!q->ring || !q->avail || !q->used) {
		q->broken = "ring outside guest RAM";
		return -EINVAL;
	}
	q->enabled = true;
	return 0;
}

static uint8_t *desc_at(const struct virtq *q, uint32_t i)
{
	return q->ring + (size_t)i * VIRTQ_DESC_BYTES;
}

/* Moves a position by n descriptors, at most a whole ring. */
static void forward(const struct virtq *q, uint16_t *at, bool *wrap, uint32_t n)
{
	uint32_t to = *at + n;

	if (to >= q->size) {
		to -= q->size;
		*wrap = !*wrap;
	}
	*at = (uint16_t)to;
}

static uint16_t place(const struct virtq *q, uint16_t at, bool wrap)
{
	return (uint16_t)(at + (wrap ? 0 : q->size));
}

bool virtq_packed_waiting(const struct virtq *q)
{
	uint16_t flags = virtq_load16(desc_at(q, q->avail_next) + D_FLAGS);

	return ((flags & F_AVAIL) != 0) == q->avail_wrap &&
	       ((flags & F_USED) != 0) != q->avail_wrap;
}

/* §2.8.7: all of the table, in its order; of the flags only WRITE means something. */
static int add_table(struct virtq *q, struct virtq_chain *c, const uint8_t *d)
{
	uint32_t n = 0;
	const uint8_t *table = virtq_table(q, get_le64(d), get_le32(d + D_LEN), &n);

	if (!table)
		return -EPROTO;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t raw[VIRTQ_DESC_BYTES];

		memcpy(raw, table + (size_t)i * VIRTQ_DESC_BYTES, sizeof(raw));
		if (virtq_add_buffer(q, c, get_le64(raw), get_le32(raw + D_LEN),
				     get_le16(raw + D_FLAGS)) < 0)
			return -EPROTO;
	}
	return 0;
}

static int add(struct virtq *q, struct virtq_chain *c, const uint8_t *d)
{
	uint16_t flags = get_le16(d + D_FLAGS);

	if (!(flags & VIRTQ_DESC_F_INDIRECT))
		return virtq_add_buffer(q, c, get_le64(d), get_le32(d + D_LEN), flags);
	if (!q->indirect || c->descs > 1 || (flags & VIRTQ_DESC_F_NEXT))
		return virtq_broken(q, "indirect descriptor not allowed here");
	return add_table(q, c, d);
}

int virtq_packed_pop(struct virtq *q, struct virtq_chain *c)
{
	uint16_t at = q->avail_next;
	bool wrap = q->avail_wrap;
	uint8_t raw[VIRTQ_DESC_BYTES];

	if (!virtq_packed_waiting(q))
		return 0;
	c->descs = 0;
	do { /* §2.8.6: a chain is consecutive descriptors, its id in the last one */
		if (++c->descs > q->size - q->taken)
			return virtq_broken(q, "more chains than descriptors");
		memcpy(raw, desc_at(q, at), sizeof(raw));
		if (add(q, c, raw) < 0)
			return -EPROTO;
		forward(q, &at, &wrap, 1);
	} while (get_le16(raw + D_FLAGS) & VIRTQ_DESC_F_NEXT);
	c->head = get_le16(raw + D_ID);
	q->avail_next = at;
	q->avail_wrap = wrap;
	q->taken = (uint16_t)(q->taken + c->descs);
	q->out++;
	q->popped = c->descs;
	return 1;
}

void virtq_packed_unpop(struct virtq *q)
{
	uint32_t back = q->size - q->popped;

	/* Forward around the ring, and one round less. */
	forward(q, &q->avail_next, &q->avail_wrap, back);
	q->avail_wrap = !q->avail_wrap;
	q->taken = (uint16_t)(q->taken - q->popped);
	q->out--;
}

/* §2.8.8: one used descriptor stands for the whole chain, whose others are skipped. The driver
 * reads in ring order: until the first one is its own, it sees none of those behind. */
void virtq_packed_push(struct virtq *q, const struct virtq_used *u, unsigned n)
{
	uint8_t *first = NULL;
	uint16_t first_flags = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *d = desc_at(q, q->used_next);
		uint16_t flags = (uint16_t)((q->used_wrap ? F_AVAIL | F_USED : 0) |
					    (u[i].written ? VIRTQ_DESC_F_WRITE : 0));
		uint16_t descs = u[i].descs;

		if (descs == 0 || descs > q->taken)
			break;
		put_le16(d + D_ID, u[i].head);
		put_le32(d + D_LEN, u[i].written);
		vm_mem_wrote(q->mem, d, VIRTQ_DESC_BYTES);
		if (first) {
			virtq_store16(d + D_FLAGS, flags);
		} else {
			first = d;
			first_flags = flags;
		}
		forward(q, &q->used_next, &q->used_wrap, descs);
		q->fresh =
			(uint16_t)(q->fresh < UINT16_MAX - descs ? q->fresh + descs : UINT16_MAX);
		q->taken = (uint16_t)(q->taken - descs);
		q->out--;
	}
	if (!first)
		return;
	virtq_store16(first + D_FLAGS, first_flags);
	vm_mem_wrote(q->mem, first, VIRTQ_DESC_BYTES);
}

/* As §2.7.10 has it: has used_next moved past the event's place with the last `fresh` steps? Of
 * more than one round nobody can say where they began, and the driver is told. */
bool virtq_packed_wants_signal(struct virtq *q)
{
	uint16_t flags = virtq_load16(q->avail + E_FLAGS) & 3, event, now;
	uint16_t round = (uint16_t)(2 * q->size), fresh = q->fresh;

	q->fresh = 0;
	if (!q->event_idx || flags != E_DESC)
		return flags != E_DISABLE;
	event = virtq_load16(q->avail + E_OFF_WRAP);
	if (fresh > q->size || (event & (E_WRAP - 1)) >= q->size)
		return true;
	event = place(q, event & (E_WRAP - 1), (event & E_WRAP) != 0);
	now = place(q, q->used_next, q->used_wrap);
	return (now + round - event - 1) % round < fresh;
}

void virtq_packed_notify_enable(struct virtq *q, bool on)
{
	if (!on) {
		virtq_store16(q->used + E_FLAGS, E_DISABLE);
	} else if (q->event_idx) {
		virtq_store16(q->used + E_OFF_WRAP,
			      (uint16_t)(q->avail_next | (q->avail_wrap ? E_WRAP : 0)));
		virtq_store16(q->used + E_FLAGS, E_DESC);
	} else {
		virtq_store16(q->used + E_FLAGS, E_ENABLE);
	}
	vm_mem_wrote(q->mem, q->used, E_BYTES);
}
