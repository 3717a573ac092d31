/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Admin commands (§5), with the controller's lock held.
 */
#include <stdio.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/pc/nvme_internal.h"
#include "vmm/virtio/block.h"

enum {
	C_DELETE_SQ = 0x00,
	C_CREATE_SQ = 0x01,
	C_GET_LOG = 0x02,
	C_DELETE_CQ = 0x04,
	C_CREATE_CQ = 0x05,
	C_IDENTIFY = 0x06,
	C_ABORT = 0x08,
	C_SET_FEATURES = 0x09,
	C_GET_FEATURES = 0x0a,
	C_EVENT = 0x0c,
	REPLY = 4096,
	CONTIGUOUS = 1,
	INTERRUPTS = 2
};

static uint32_t dword(const struct nvme_command *c, unsigned n)
{
	return get_le32(c->sqe + 4 * (size_t)n);
}

/* ---- queues (§5.3 to §5.6) ------------------------------------------------------------------- */

static uint16_t check_new(const struct nvme_command *c, uint32_t id, bool exists)
{
	uint32_t entries = (dword(c, 10) >> 16) + 1;

	if (id == 0 || id >= NVME_QUEUES || exists)
		return NVME_INVALID_QUEUE | NVME_DO_NOT_RETRY;
	if (entries < 2 || entries > NVME_ENTRIES)
		return NVME_INVALID_SIZE | NVME_DO_NOT_RETRY;
	if (!(dword(c, 11) & CONTIGUOUS) || get_le64(c->sqe + 24) % NVME_PAGE)
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	return NVME_OK;
}

static uint16_t create_cq(struct nvme *n, const struct nvme_command *c)
{
	uint32_t id = dword(c, 10) & 0xffff, vector = dword(c, 11) >> 16;
	uint16_t status = check_new(c, id, id < NVME_QUEUES && n->cq[id].exists);

	if (status)
		return status;
	if (vector >= NVME_QUEUES)
		return NVME_INVALID_VECTOR | NVME_DO_NOT_RETRY;
	n->cq[id] = (struct nvme_cq){.exists = true,
				     .interrupts = dword(c, 11) & INTERRUPTS,
				     .base = get_le64(c->sqe + 24),
				     .size = (dword(c, 10) >> 16) + 1,
				     .vector = vector,
				     .phase = true};
	return NVME_OK;
}

static uint16_t create_sq(struct nvme *n, const struct nvme_command *c)
{
	uint32_t id = dword(c, 10) & 0xffff, cq = dword(c, 11) >> 16;
	uint16_t status = check_new(c, id, id < NVME_QUEUES && n->sq[id].exists);

	if (status)
		return status;
	if (cq == 0 || cq >= NVME_QUEUES || !n->cq[cq].exists)
		return NVME_INVALID_CQ | NVME_DO_NOT_RETRY;
	n->sq[id] = (struct nvme_sq){.exists = true,
				     .base = get_le64(c->sqe + 24),
				     .size = (dword(c, 10) >> 16) + 1,
				     .cq = cq};
	return NVME_OK;
}

static uint16_t delete_cq(struct nvme *n, const struct nvme_command *c)
{
	uint32_t id = dword(c, 10) & 0xffff;

	if (id == 0 || id >= NVME_QUEUES || !n->cq[id].exists)
		return NVME_INVALID_QUEUE | NVME_DO_NOT_RETRY;
	for (unsigned i = 1; i < NVME_QUEUES; i++)
		if (n->sq[i].exists && n->sq[i].cq == id)
			return NVME_INVALID_DELETION | NVME_DO_NOT_RETRY;
	n->cq[id] = (struct nvme_cq){0};
	return NVME_OK;
}

/* Commands of its that run are waited for; none that were not begun are. */
static uint16_t delete_sq(struct nvme *n, const struct nvme_command *c)
{
	uint32_t id = dword(c, 10) & 0xffff;

	if (id == 0 || id >= NVME_QUEUES || !n->sq[id].exists)
		return NVME_INVALID_QUEUE | NVME_DO_NOT_RETRY;
	n->sq[id].tail = n->sq[id].head;
	while (n->sq[id].out)
		pthread_cond_wait(&n->idle, &n->lock);
	n->sq[id] = (struct nvme_sq){0};
	return NVME_OK;
}

/* ---- what it says of itself (§5.15) ---------------------------------------------------------- */

static void text(uint8_t *p, size_t n, const char *s)
{
	memset(p, ' ', n);
	memcpy(p, s, strnlen(s, n));
}

static void identify_controller(const struct nvme *n, uint8_t *r)
{
	put_le16(r, 0x1b36);
	put_le16(r + 2, 0x1af4);
	text(r + 4, 20, "pane");
	text(r + 24, 40, "PANE DISK");
	text(r + 64, 8, "1.0");
	r[72] = 6; /* arbitration burst */
	r[77] = NVME_MDTS;
	put_le32(r + 80, 0x00010400);
	r[111] = 1; /* an I/O controller */
	r[258] = 3; /* aborts at once, 0's based */
	r[259] = NVME_EVENTS - 1;
	r[260] = 3;		/* one firmware slot, read-only */
	put_le16(r + 266, 343); /* K: warning and */
	put_le16(r + 268, 353); /* critical temperatures */
	r[512] = 0x66;		/* entries of 64 */
	r[513] = 0x44;		/* and 16 bytes */
	put_le32(r + 516, n->disks);
	put_le16(r + 520, 0x000c); /* WRITE ZEROES, DATASET MANAGEMENT */
	r[525] = 1;		   /* a volatile write cache */
	put_le16(r + 2048, 2500);  /* power state 0: 25 W */
	snprintf((char *)r + 768, 256, "nqn.2014.org.nvmexpress:1b361af4%-20s%-40s", "pane",
		 "PANE DISK");
}

static void put_nguid(uint8_t *p, uint32_t nsid)
{
	memcpy(p, "PANEdisk", 8);
	put_be32(p + 12, nsid);
}

static void identify_namespace(const struct nvme *n, uint32_t nsid, uint8_t *r)
{
	uint64_t size = n->disk[nsid - 1].block->size / NVME_SECTOR;

	put_le64(r, size);
	put_le64(r + 8, size);
	put_le64(r + 16, size);
	r[99] = n->disk[nsid - 1].block->read_only;
	put_nguid(r + 104, nsid);
	r[130] = 9; /* the one format: 512 bytes */
}

static void list_namespaces(const struct nvme *n, uint32_t above, uint8_t *r)
{
	for (uint32_t i = above < n->disks ? above + 1 : n->disks + 1; i <= n->disks; i++, r += 4)
		put_le32(r, i);
}

static uint16_t identify(struct nvme *n, const struct nvme_command *c)
{
	uint32_t nsid = dword(c, 1);
	uint8_t r[REPLY] = {0}, what = (uint8_t)dword(c, 10);

	if ((what == 0 || what == 3) && (nsid == 0 || nsid > n->disks))
		return NVME_INVALID_NAMESPACE | NVME_DO_NOT_RETRY;
	switch (what) {
	case 0:
		identify_namespace(n, nsid, r);
		break;
	case 1:
		identify_controller(n, r);
		break;
	case 2:
		if (nsid >= 0xfffffffe)
			return NVME_INVALID_NAMESPACE | NVME_DO_NOT_RETRY;
		list_namespaces(n, nsid, r);
		break;
	case 3:
		r[0] = 2; /* an NGUID */
		r[1] = 16;
		put_nguid(r + 4, nsid);
		break;
	default:
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	}
	return nvme_put(n, c, r, sizeof(r));
}

/* ---- logs and features ----------------------------------------------------------------------- */

/* §5.14.1: errors (none are kept), health, firmware. */
static uint16_t get_log(struct nvme *n, const struct nvme_command *c)
{
	uint64_t size = 4 * (((dword(c, 11) & 0xffffull) << 16 | dword(c, 10) >> 16) + 1);
	uint8_t r[REPLY] = {0}, log = (uint8_t)dword(c, 10);

	if (log < 1 || log > 3)
		return NVME_INVALID_LOG | NVME_DO_NOT_RETRY;
	if (size > sizeof(r) || dword(c, 12) || dword(c, 13))
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	if (log == 2) {
		put_le16(r + 1, 300); /* K */
		r[3] = 100;	      /* % spare */
		r[4] = 10;
	} else if (log == 3) {
		r[0] = 1;
		text(r + 8, 8, "1.0");
	}
	return nvme_put(n, c, r, size);
}

/* §5.21.1: kept and given back; only two of them mean something here. */
static uint16_t features(struct nvme *n, struct nvme_command *c, bool set)
{
	uint32_t id = dword(c, 10) & 0xff;
	bool flush = id == FEATURE_WRITE_CACHE && set && !(dword(c, 11) & 1);

	if (id == 0 || id == 3 || id > 11)
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	if (id == FEATURE_QUEUES) {
		c->result = (NVME_QUEUES - 2) | (NVME_QUEUES - 2) << 16;
		return NVME_OK;
	}
	if (set)
		n->feature[id] = dword(c, 11);
	c->result = n->feature[id];
	if (flush) { /* what is in the cache goes out */
		pthread_mutex_unlock(&n->lock);
		nvme_flush_all(n);
		pthread_mutex_lock(&n->lock);
	}
	return NVME_OK;
}

uint16_t nvme_admin(struct nvme *n, struct nvme_command *c)
{
	if (c->sqe[1] & 0xc3)
		return NVME_INVALID_FIELD | NVME_DO_NOT_RETRY;
	switch (c->sqe[0]) {
	case C_DELETE_SQ:
		return delete_sq(n, c);
	case C_CREATE_SQ:
		return create_sq(n, c);
	case C_GET_LOG:
		return get_log(n, c);
	case C_DELETE_CQ:
		return delete_cq(n, c);
	case C_CREATE_CQ:
		return create_cq(n, c);
	case C_IDENTIFY:
		return identify(n, c);
	case C_ABORT:
		c->result = 1; /* it was not: what runs is soon done */
		return NVME_OK;
	case C_SET_FEATURES:
	case C_GET_FEATURES:
		return features(n, c, c->sqe[0] == C_SET_FEATURES);
	case C_EVENT:
		if (n->events == NVME_EVENTS)
			return NVME_EVENT_LIMIT | NVME_DO_NOT_RETRY;
		n->events++;
		return NVME_NO_ANSWER;
	default:
		return NVME_INVALID_OPCODE | NVME_DO_NOT_RETRY;
	}
}
