/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands of the NVM command set (§6), and where their data is: physical region pages (§4.3),
 * copied in entry by entry and checked as they are. Any worker, no lock.
 */
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/nvme_internal.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/block_problem.h"

enum {
	C_FLUSH = 0,
	C_WRITE = 1,
	C_READ = 2,
	C_WRITE_ZEROES = 8,
	C_DATASET = 9,
	RANGE = 16,
	RANGES = 256,
	DEALLOCATE = 4,
	FUA = 1 << 30
};

/* ---- where data is --------------------------------------------------------------------------- */

struct pieces {
	struct iovec iov[NVME_PIECES];
	int n;
};

static bool add(const struct nvme *n, struct pieces *s, uint64_t at, size_t size)
{
	uint8_t *p = vm_mem_ptr(n->mem, at, size);
	struct iovec *last = s->n ? &s->iov[s->n - 1] : NULL;

	if (!p)
		return false;
	if (last && (uint8_t *)last->iov_base + last->iov_len == p)
		last->iov_len += size;
	else if (s->n < NVME_PIECES)
		s->iov[s->n++] = (struct iovec){.iov_base = p, .iov_len = size};
	else
		return false;
	return true;
}

static bool entry(const struct nvme *n, uint64_t at, uint64_t *out)
{
	uint8_t e[8];

	if (vm_mem_read(n->mem, at, e, sizeof(e)) < 0)
		return false;
	*out = get_le64(e);
	return *out % NVME_PAGE == 0;
}

/* A list of pages; the last entry of a page of it leads to the next one, if more is needed. */
static bool add_list(const struct nvme *n, struct pieces *s, uint64_t at, size_t left)
{
	if (at % 8)
		return false;
	while (left) {
		size_t part = left < NVME_PAGE ? left : NVME_PAGE;
		uint64_t page;

		if (!entry(n, at, &page))
			return false;
		if (at % NVME_PAGE == NVME_PAGE - 8 && left > NVME_PAGE) {
			at = page;
			continue;
		}
		if (!add(n, s, page, part))
			return false;
		left -= part;
		at += 8;
	}
	return true;
}

/* The size bytes of a command's buffer; at most NVME_PIECES pages. */
static bool find(const struct nvme *n, const struct nvme_command *c, size_t size, struct pieces *s)
{
	uint64_t first = get_le64(c->sqe + 24), second = get_le64(c->sqe + 32);
	size_t part = NVME_PAGE - first % NVME_PAGE;

	s->n = 0;
	if (part > size)
		part = size;
	if (first % 4 || !add(n, s, first, part))
		return false;
	size -= part;
	if (!size)
		return true;
	if (size <= NVME_PAGE)
		return second % NVME_PAGE == 0 && add(n, s, second, size);
	return add_list(n, s, second, size);
}

uint16_t nvme_put(struct nvme *n, const struct nvme_command *c, const void *p, size_t size)
{
	struct pieces s;

	if (!find(n, c, size, &s))
		return NVME_INVALID_FIELD;
	for (int i = 0; i < s.n; i++) {
		memcpy(s.iov[i].iov_base, p, s.iov[i].iov_len);
		p = (const uint8_t *)p + s.iov[i].iov_len;
	}
	return NVME_OK;
}

/* ---- commands -------------------------------------------------------------------------------- */

static uint16_t done(struct nvme *n, const char *what, int r, uint16_t status)
{
	if (r == 0)
		return NVME_OK;
	if (n->problem)
		block_problem_report(n->problem, what, r);
	return status;
}

static uint16_t flush(struct nvme *n, struct block *b)
{
	return done(n, "flush", b->ops->flush(b), NVME_WRITE_FAULT);
}

static bool write_through(struct nvme *n)
{
	bool r;

	pthread_mutex_lock(&n->lock);
	r = !(n->feature[FEATURE_WRITE_CACHE] & 1);
	pthread_mutex_unlock(&n->lock);
	return r;
}

struct extent {
	uint64_t off, len; /* bytes */
	bool through;
};

/* Of reads, writes and zeroes (§6.9, §6.15): 0's based counts. */
static uint16_t extent_of(const struct nvme_command *c, const struct block *b, struct extent *x)
{
	uint64_t lba = get_le64(c->sqe + 40), n = get_le16(c->sqe + 48) + 1ull;

	if (!range_ok(lba, n, b->size / NVME_SECTOR))
		return NVME_OUT_OF_RANGE | NVME_DO_NOT_RETRY;
	*x = (struct extent){.off = lba * NVME_SECTOR,
			     .len = n * NVME_SECTOR,
			     .through = get_le32(c->sqe + 48) & FUA};
	return NVME_OK;
}

static uint16_t transfer(struct nvme *n, struct nvme_command *c, struct block *b, bool write)
{
	struct extent x;
	struct pieces s;
	uint16_t status = extent_of(c, b, &x);
	int r;

	if (status)
		return status;
	if (write && b->read_only)
		return NVME_READ_ONLY | NVME_DO_NOT_RETRY;
	if (x.len > (uint64_t)NVME_PAGE << NVME_MDTS || !find(n, c, x.len, &s))
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	r = write ? b->ops->writev(b, s.iov, s.n, x.off) : b->ops->readv(b, s.iov, s.n, x.off);
	status = done(n, write ? "write" : "read", r, write ? NVME_WRITE_FAULT : NVME_READ_ERROR);
	c->moved = x.len;
	if (!status && write && (x.through || write_through(n)))
		status = flush(n, b);
	return status;
}

static uint16_t zeroes(struct nvme *n, struct nvme_command *c, struct block *b)
{
	bool may_unmap = get_le32(c->sqe + 48) & 1 << 25;
	struct extent x;
	uint16_t status = extent_of(c, b, &x);

	if (status)
		return status;
	if (b->read_only)
		return NVME_READ_ONLY | NVME_DO_NOT_RETRY;
	status = done(n, "write_zeroes", b->ops->write_zeroes(b, x.off, x.len, may_unmap),
		      NVME_WRITE_FAULT);
	if (!status && (x.through || write_through(n)))
		status = flush(n, b);
	return status;
}

/* Ranges that are no longer needed (§6.7); other hints are only that. */
static uint16_t dataset(struct nvme *n, struct nvme_command *c, struct block *b)
{
	unsigned count = (get_le32(c->sqe + 40) & 0xff) + 1;
	uint8_t ranges[RANGES * RANGE] = {0}, *to = ranges;
	uint16_t status = NVME_OK;
	struct pieces s;

	if (!(get_le32(c->sqe + 44) & DEALLOCATE))
		return NVME_OK;
	if (b->read_only)
		return NVME_READ_ONLY | NVME_DO_NOT_RETRY;
	if (!find(n, c, (size_t)count * RANGE, &s))
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	for (int i = 0; i < s.n; to += s.iov[i++].iov_len)
		memcpy(to, s.iov[i].iov_base, s.iov[i].iov_len);
	for (unsigned i = 0; i < count && !status; i++) {
		uint64_t len = get_le32(ranges + RANGE * i + 4),
			 lba = get_le64(ranges + RANGE * i + 8);

		if (!range_ok(lba, len, b->size / NVME_SECTOR))
			return NVME_OUT_OF_RANGE | NVME_DO_NOT_RETRY;
		if (len)
			status = done(n, "discard",
				      b->ops->discard(b, lba * NVME_SECTOR, len * NVME_SECTOR),
				      NVME_WRITE_FAULT);
	}
	return status;
}

void nvme_flush_all(struct nvme *n)
{
	for (unsigned i = 0; i < n->disks; i++)
		if (!n->disk[i].block->read_only)
			(void)flush(n, n->disk[i].block);
}

uint16_t nvme_io(struct nvme *n, struct nvme_command *c)
{
	uint32_t nsid = get_le32(c->sqe + 4);
	struct block *b;

	if (c->sqe[1] & 0xc3) /* fused commands, scatter lists: not offered */
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	if (c->sqe[0] == C_FLUSH && nsid == 0xffffffff) {
		nvme_flush_all(n);
		return NVME_OK;
	}
	if (nsid < 1 || nsid > n->disks)
		return NVME_INVALID_NAMESPACE | NVME_DO_NOT_RETRY;
	b = n->disk[nsid - 1].block;
	switch (c->sqe[0]) {
	case C_FLUSH:
		return flush(n, b);
	case C_WRITE:
	case C_READ:
		return transfer(n, c, b, c->sqe[0] == C_WRITE);
	case C_WRITE_ZEROES:
		return zeroes(n, c, b);
	case C_DATASET:
		return dataset(n, c, b);
	default:
		return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
	}
}
