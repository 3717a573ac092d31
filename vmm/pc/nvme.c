/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller: registers (§3.1), queues (§4.1), workers, snapshots.
 *
 * A command is taken only when its completion queue has room for the answer, which is promised to
 * it then: nothing that runs ever waits for the guest. When the guest switches the controller off,
 * the status says so once no command is out; nothing is written to guest RAM after that. An entry
 * that is not in RAM is a fatal error, and only a reset helps.
 *
 * Threads: registers on vCPU threads, commands on the workers; the lock guards it all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/nvme_internal.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"

enum {
	R_CAP = 0x00,
	R_VS = 0x08,
	R_INTMS = 0x0c,
	R_INTMC = 0x10,
	R_CC = 0x14,
	R_CSTS = 0x1c,
	R_AQA = 0x24,
	R_ASQ = 0x28,
	R_ACQ = 0x30,
	R_DOORBELLS = 0x1000,
	BAR_BYTES = 16384
};
enum {
	CC_ENABLE = 1,
	CC_SHUTDOWN = 3 << 14,
	CC_WRITABLE = 0x00fffff1,
	STS_READY = 1,
	STS_FATAL = 2,
	STS_SHUTDOWN_DONE = 2 << 2
};
/* The NVM command set, 15 s to become ready, contiguous queues, so many entries. */
#define CAP	      (1ull << 37 | 30ull << 24 | 1ull << 16 | (NVME_ENTRIES - 1))
#define VERSION	      0x00010400u
#define STATE_VERSION 1

/* ---- answers; lock held ---------------------------------------------------------------------- */

static void update_intx(struct nvme *n)
{
	bool level = false;

	for (unsigned i = 0; i < NVME_QUEUES; i++)
		level |= n->cq[i].exists && n->cq[i].interrupts && n->cq[i].head != n->cq[i].tail;
	pci_intx(&n->dev, level && !(n->masked & 1) && !pci_msix_enabled(&n->dev));
}

static void announce(struct nvme *n, const struct nvme_cq *q)
{
	if (q->interrupts && pci_msix_signal(&n->dev, q->vector) == -ENXIO)
		update_intx(n);
}

static void answer(struct nvme *n, const struct nvme_command *c, uint16_t status)
{
	struct nvme_sq *sq = &n->sq[c->sq];
	struct nvme_cq *cq = &n->cq[sq->cq];
	uint8_t e[CQE_BYTES] = {0};

	put_le32(e, c->result);
	put_le16(e + 8, (uint16_t)sq->head);
	put_le16(e + 10, (uint16_t)c->sq);
	memcpy(e + 12, c->sqe + 2, 2); /* the command's identifier */
	put_le16(e + 14, (uint16_t)(status << 1 | cq->phase));
	/* The phase bit says that the rest is there: it goes last. */
	if (vm_mem_write(n->mem, cq->base + (uint64_t)CQE_BYTES * cq->tail, e, 8) < 0 ||
	    vm_mem_write(n->mem, cq->base + (uint64_t)CQE_BYTES * cq->tail + 8, e + 8, 8) < 0)
		n->fatal = true;
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase = !cq->phase;
	}
	announce(n, cq);
}

/* ---- commands; lock held, and let go while one of the disk's runs ---------------------------- */

static unsigned used(const struct nvme_cq *q)
{
	return (q->tail + q->size - q->head) % q->size;
}

static bool served(const struct nvme *n)
{
	return n->enabled && !n->disabling && !n->paused && !n->fatal;
}

/* Something is submitted whose answer has room; limits are not looked at. */
static bool submitted(const struct nvme *n, const struct nvme_sq *q)
{
	const struct nvme_cq *cq = &n->cq[q->cq];

	return q->exists && q->head != q->tail && used(cq) + cq->promised < cq->size - 1;
}

/* Copies the next command of a queue, if its disk's limit lets it through. Not for vCPU threads:
 * the limiter may arm its timer. */
static bool take_from(struct nvme *n, unsigned id, struct nvme_command *c)
{
	struct nvme_sq *q = &n->sq[id];
	uint32_t nsid;

	if (!submitted(n, q))
		return false;
	*c = (struct nvme_command){.sq = id};
	if (vm_mem_read(n->mem, q->base + (uint64_t)SQE_BYTES * q->head, c->sqe, SQE_BYTES) < 0) {
		n->fatal = true;
		return false;
	}
	nsid = get_le32(c->sqe + 4);
	if (id && nsid >= 1 && nsid <= n->disks && !limiter_ready(&n->disk[nsid - 1].limiter))
		return false;
	q->head = (q->head + 1) % q->size;
	return true;
}

/* Queues are looked at in turn. */
static bool take(struct nvme *n, struct nvme_command *c)
{
	for (unsigned i = 0; i < NVME_QUEUES && served(n); i++) {
		unsigned id = (n->turn + i) % NVME_QUEUES;

		if (take_from(n, id, c)) {
			n->turn = id + 1;
			return true;
		}
	}
	return false;
}

static void switch_off(struct nvme *n)
{
	n->enabled = n->disabling = false;
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	n->events = 0;
	update_intx(n);
}

static uint16_t run_io(struct nvme *n, struct nvme_command *c)
{
	uint32_t nsid = get_le32(c->sqe + 4);
	uint16_t status;

	pthread_mutex_unlock(&n->lock);
	status = nvme_io(n, c);
	pthread_mutex_lock(&n->lock);
	if (nsid >= 1 && nsid <= n->disks)
		limiter_charge(&n->disk[nsid - 1].limiter, c->moved);
	return status;
}

static void run_one(struct nvme *n, struct nvme_command *c)
{
	unsigned cq = n->sq[c->sq].cq;
	uint16_t status;

	n->out++;
	n->sq[c->sq].out++;
	n->cq[cq].promised++;
	status = c->sq ? run_io(n, c) : nvme_admin(n, c);
	n->cq[cq].promised--;
	if (status != NVME_NO_ANSWER && !n->disabling)
		answer(n, c, status);
	n->sq[c->sq].out--;
	if (--n->out == 0 && n->disabling)
		switch_off(n);
	pthread_cond_broadcast(&n->idle);
}

void nvme_work(struct nvme *n, unsigned most)
{
	struct nvme_command c;

	pthread_mutex_lock(&n->lock);
	while (most-- && take(n, &c))
		run_one(n, &c);
	pthread_mutex_unlock(&n->lock);
}

static void *worker_main(void *arg)
{
	struct nvme *n = arg;
	struct nvme_command c;

	pthread_mutex_lock(&n->lock);
	while (!n->quit) {
		if (take(n, &c))
			run_one(n, &c);
		else
			pthread_cond_wait(&n->work, &n->lock);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

/* A disk's limiter lets something through again: main loop. */
static void go_on(void *arg)
{
	struct nvme *n = arg;

	pthread_mutex_lock(&n->lock);
	pthread_cond_broadcast(&n->work);
	pthread_mutex_unlock(&n->lock);
}

void nvme_limit(struct nvme *n, const struct limit *limit)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < n->disks; i++)
		limiter_set(&n->disk[i].limiter, limit);
	pthread_mutex_unlock(&n->lock);
}

/* ---- registers; lock held -------------------------------------------------------------------- */

static void switch_on(struct nvme *n)
{
	uint32_t sq = (n->aqa & 0xfff) + 1, cq = (n->aqa >> 16 & 0xfff) + 1;

	/* Another page size or command set, or queues of one entry, are nothing to begin with. */
	if ((n->cc & 0x7f0) || sq < 2 || cq < 2) {
		n->fatal = true;
		return;
	}
	n->sq[0] = (struct nvme_sq){.exists = true, .base = n->asq, .size = sq};
	n->cq[0] = (struct nvme_cq){
		.exists = true, .interrupts = true, .base = n->acq, .size = cq, .phase = true};
	memset(n->feature, 0, sizeof(n->feature));
	n->feature[FEATURE_WRITE_CACHE] = 1;
	n->enabled = true;
}

static void reset(struct nvme *n)
{
	n->fatal = false;
	n->masked = 0;
	if (n->out)
		n->disabling = true;
	else
		switch_off(n);
}

static void write_cc(struct nvme *n, uint32_t v)
{
	uint32_t old = n->cc;

	n->cc = v & CC_WRITABLE;
	n->shutdown = v & CC_SHUTDOWN ? STS_SHUTDOWN_DONE : 0; /* files need no goodbye */
	if ((v & CC_ENABLE) && !(old & CC_ENABLE) && !n->disabling)
		switch_on(n);
	else if (!(v & CC_ENABLE) && (old & CC_ENABLE))
		reset(n);
}

static void write_doorbell(struct nvme *n, uint64_t at, uint32_t v)
{
	unsigned id = (unsigned)(at / 8);
	struct nvme_sq *sq;
	struct nvme_cq *cq;

	if (id >= NVME_QUEUES || at % 4)
		return;
	sq = &n->sq[id];
	cq = &n->cq[id];
	if (at % 8 == 0 && sq->exists && v < sq->size)
		sq->tail = v;
	else if (at % 8 == 4 && cq->exists && v < cq->size && /* no further than we have come */
		 (v + cq->size - cq->head) % cq->size <= used(cq))
		cq->head = v;
	update_intx(n);
}

static void write_half(uint64_t *reg, bool high, uint32_t v)
{
	*reg = high ? (*reg & 0xffffffff) | (uint64_t)v << 32
		    : ((*reg & ~0xffffffffull) | v) & ~(uint64_t)(NVME_PAGE - 1);
}

static void write_register(struct nvme *n, uint64_t offset, uint32_t v)
{
	switch (offset) {
	case R_INTMS:
		n->masked |= v;
		update_intx(n);
		break;
	case R_INTMC:
		n->masked &= ~v;
		update_intx(n);
		break;
	case R_CC:
		write_cc(n, v);
		break;
	case R_AQA:
		n->aqa = v & 0x0fff0fff;
		break;
	case R_ASQ:
	case R_ASQ + 4:
		write_half(&n->asq, offset != R_ASQ, v);
		break;
	case R_ACQ:
	case R_ACQ + 4:
		write_half(&n->acq, offset != R_ACQ, v);
		break;
	default:
		if (offset >= R_DOORBELLS)
			write_doorbell(n, offset - R_DOORBELLS, v);
	}
}

static bool anything(const struct nvme *n)
{
	for (unsigned i = 0; i < NVME_QUEUES && served(n); i++)
		if (submitted(n, &n->sq[i]))
			return true;
	return false;
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		     uint64_t value)
{
	struct nvme *n = d->opaque;

	if (bar != 0 || size < 4)
		return;
	pthread_mutex_lock(&n->lock);
	write_register(n, offset, (uint32_t)value);
	if (size == 8)
		write_register(n, offset + 4, (uint32_t)(value >> 32));
	if (anything(n))
		pthread_cond_signal(&n->work);
	pthread_mutex_unlock(&n->lock);
}

static uint32_t read_register(const struct nvme *n, uint64_t offset)
{
	switch (offset) {
	case R_CAP:
		return (uint32_t)CAP;
	case R_CAP + 4:
		return (uint32_t)(CAP >> 32);
	case R_VS:
		return VERSION;
	case R_INTMS:
	case R_INTMC:
		return n->masked;
	case R_CC:
		return n->cc;
	case R_CSTS:
		return (n->enabled ? STS_READY : 0) | (n->fatal ? STS_FATAL : 0) | n->shutdown;
	case R_AQA:
		return n->aqa;
	case R_ASQ:
		return (uint32_t)n->asq;
	case R_ASQ + 4:
		return (uint32_t)(n->asq >> 32);
	case R_ACQ:
		return (uint32_t)n->acq;
	case R_ACQ + 4:
		return (uint32_t)(n->acq >> 32);
	default:
		return 0;
	}
}

static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	struct nvme *n = d->opaque;
	uint64_t at = offset & ~3ull, v;

	if (bar != 0)
		return 0;
	pthread_mutex_lock(&n->lock);
	v = read_register(n, at) | (uint64_t)read_register(n, at + 4) << 32;
	pthread_mutex_unlock(&n->lock);
	v >>= 8 * (offset & 3);
	return size == 8 ? v : v & (0xffffffffull >> (32 - 8 * size));
}

static void on_reset(struct pci_dev *d)
{
	struct nvme *n = d->opaque;

	pthread_mutex_lock(&n->lock);
	n->cc = n->shutdown = n->aqa = 0;
	n->asq = n->acq = 0;
	reset(n);
	pthread_mutex_unlock(&n->lock);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static void on_pause(struct pci_dev *d)
{
	struct nvme *n = d->opaque;

	pthread_mutex_lock(&n->lock);
	n->paused = true;
	while (n->out)
		pthread_cond_wait(&n->idle, &n->lock);
	pthread_mutex_unlock(&n->lock);
}

static void on_resume(struct pci_dev *d)
{
	struct nvme *n = d->opaque;

	pthread_mutex_lock(&n->lock);
	n->paused = false;
	pthread_cond_broadcast(&n->work);
	pthread_mutex_unlock(&n->lock);
}

static void identity(struct block *b, char id[65])
{
	id[0] = 0;
	if (b->ops->identity)
		b->ops->identity(b, id);
}

static void save_queues(const struct nvme *n, struct snap_out *out)
{
	for (unsigned i = 0; i < NVME_QUEUES; i++) {
		const struct nvme_sq *s = &n->sq[i];
		const struct nvme_cq *c = &n->cq[i];

		snap_put_u8(out, s->exists);
		snap_put_u64(out, s->base);
		snap_put_u32(out, s->size);
		snap_put_u32(out, s->head);
		snap_put_u32(out, s->tail);
		snap_put_u32(out, s->cq);
		snap_put_u8(out, c->exists);
		snap_put_u8(out, c->interrupts);
		snap_put_u8(out, c->phase);
		snap_put_u64(out, c->base);
		snap_put_u32(out, c->size);
		snap_put_u32(out, c->head);
		snap_put_u32(out, c->tail);
		snap_put_u32(out, c->vector);
	}
}

static void save(struct pci_dev *d, struct snap_out *out)
{
	struct nvme *n = d->opaque;
	char id[65];

	pthread_mutex_lock(&n->lock);
	snap_begin(out, d->name, d->slot, STATE_VERSION);
	snap_put_u8(out, n->enabled);
	snap_put_u8(out, n->fatal);
	snap_put_u32(out, n->cc);
	snap_put_u32(out, n->shutdown);
	snap_put_u32(out, n->aqa);
	snap_put_u32(out, n->masked);
	snap_put_u64(out, n->asq);
	snap_put_u64(out, n->acq);
	snap_put_u32(out, n->events);
	for (unsigned i = 0; i < NVME_FEATURES; i++)
		snap_put_u32(out, n->feature[i]);
	save_queues(n, out);
	snap_put_u8(out, (uint8_t)n->disks);
	for (unsigned i = 0; i < n->disks; i++) {
		struct block *b = n->disk[i].block;
		int r = b->ops->flush(b); /* what the state speaks of must be in the file */

		if (r < 0 && !out->error)
			out->error = r;
		identity(b, id);
		snap_put_u64(out, b->size);
		snap_put_text(out, id);
	}
	snap_end(out);
	pthread_mutex_unlock(&n->lock);
}

static void load_queues(struct nvme *n, struct snap_in *in)
{
	for (unsigned i = 0; i < NVME_QUEUES; i++) {
		struct nvme_sq *s = &n->sq[i];
		struct nvme_cq *c = &n->cq[i];

		*s = (struct nvme_sq){.exists = snap_u8(in)};
		s->base = snap_u64(in);
		s->size = snap_u32(in);
		s->head = snap_u32(in);
		s->tail = snap_u32(in);
		s->cq = snap_u32(in);
		*c = (struct nvme_cq){.exists = snap_u8(in)};
		c->interrupts = snap_u8(in);
		c->phase = snap_u8(in);
		c->base = snap_u64(in);
		c->size = snap_u32(in);
		c->head = snap_u32(in);
		c->tail = snap_u32(in);
		c->vector = snap_u32(in);
		if ((s->exists && (s->size < 2 || s->size > 4096 || s->head >= s->size ||
				   s->tail >= s->size || s->cq >= NVME_QUEUES)) ||
		    (c->exists && (c->size < 2 || c->size > 4096 || c->head >= c->size ||
				   c->tail >= c->size || c->vector >= NVME_QUEUES)))
			snap_refuse(in);
	}
	for (unsigned i = 0; i < NVME_QUEUES && !in->bad; i++)
		if (n->sq[i].exists && !n->cq[n->sq[i].cq].exists)
			snap_refuse(in);
}

static void load_disks(struct nvme *n, struct snap_in *in)
{
	char now[65], then[65];

	if (snap_u8(in) != n->disks)
		snap_refuse(in);
	for (unsigned i = 0; i < n->disks && !in->bad; i++) {
		identity(n->disk[i].block, now);
		if (snap_u64(in) != n->disk[i].block->size)
			n->other = true;
		snap_text(in, then, sizeof(then));
		if (strcmp(now, then) != 0)
			n->other = true;
	}
}

static int load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	struct nvme *n = d->opaque;
	struct snap_in in;
	int r = snap_find(s, d->name, d->slot, STATE_VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&n->lock);
	n->paused = true;
	n->enabled = snap_u8(&in);
	n->fatal = snap_u8(&in);
	n->cc = snap_u32(&in);
	n->shutdown = snap_u32(&in);
	n->aqa = snap_u32(&in);
	n->masked = snap_u32(&in);
	n->asq = snap_u64(&in);
	n->acq = snap_u64(&in);
	n->events = snap_u32(&in);
	for (unsigned i = 0; i < NVME_FEATURES; i++)
		n->feature[i] = snap_u32(&in);
	load_queues(n, &in);
	load_disks(n, &in);
	r = snap_done(&in, e);
	if (r < 0)
		switch_off(n);
	pthread_mutex_unlock(&n->lock);
	return r;
}

bool nvme_is_other(const struct nvme *n)
{
	return n->other;
}

unsigned nvme_slot(const struct nvme *n)
{
	return n->dev.slot;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int init_disks(struct nvme *n, const struct nvme_cfg *c)
{
	int r = 0;

	for (unsigned i = 0; i < c->n; i++) {
		struct nvme_disk *d = &n->disk[n->disks++];

		d->block = c->disk[i];
		d->limiter.fd = -1;
		if (c->loop && r == 0)
			r = limiter_init(&d->limiter, c->loop, go_on, n);
	}
	return r;
}

static int plug(struct nvme *n, struct pci_bus *bus)
{
	static const struct pci_ops ops = {.bar_read = on_read,
					   .bar_write = on_write,
					   .reset = on_reset,
					   .pause = on_pause,
					   .resume = on_resume,
					   .save = save,
					   .load = load};
	int r;

	n->dev = (struct pci_dev){.name = "nvme",
				  .vendor = 0x1b36,
				  .device = 0x0010,
				  .subvendor = 0x1af4,
				  .subdevice = 0x1100,
				  .revision = 2,
				  .class_code = 0x010802,
				  .intx = true,
				  .ops = &ops,
				  .opaque = n};
	r = pci_bar_add(&n->dev, 0, PCI_BAR_MEM64, BAR_BYTES);
	if (r == 0)
		r = pci_msix_add(&n->dev, 4, NVME_QUEUES);
	return r == 0 ? pci_add(bus, &n->dev) : r;
}

struct nvme *nvme_new(const struct nvme_cfg *c, struct err *e)
{
	struct nvme *n = calloc(1, sizeof(*n));
	int r;

	if (!n) {
		for (unsigned i = 0; i < c->n; i++)
			block_close(c->disk[i]);
		(void)err_set(e, -ENOMEM, "NVMe: out of memory");
		return NULL;
	}
	n->mem = c->mem;
	n->problem = c->problem;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->work, NULL);
	pthread_cond_init(&n->idle, NULL);
	r = init_disks(n, c);
	if (r == 0)
		r = plug(n, c->pci);
	if (r < 0) {
		(void)err_set(e, r, "NVMe: %s", strerrorname_np(-r));
		nvme_free(n);
		return NULL;
	}
	return n;
}

int nvme_start(struct nvme *n, struct err *e)
{
	while (n->threads < NVME_WORKERS) {
		int r = pthread_create(&n->thread[n->threads], NULL, worker_main, n);

		if (r)
			return err_set(e, -r, "NVMe: %s", strerrorname_np(r));
		/* By us: the thread itself might get to it only when it is jailed. */
		pthread_setname_np(n->thread[n->threads++], "io-nvme");
	}
	return 0;
}

void nvme_free(struct nvme *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->quit = true;
	pthread_cond_broadcast(&n->work);
	pthread_mutex_unlock(&n->lock);
	for (unsigned i = 0; i < n->threads; i++)
		pthread_join(n->thread[i], NULL);
	pci_dev_fini(&n->dev);
	nvme_flush_all(n);
	for (unsigned i = 0; i < n->disks; i++) {
		limiter_fini(&n->disk[i].limiter);
		block_close(n->disk[i].block);
	}
	pthread_cond_destroy(&n->work);
	pthread_cond_destroy(&n->idle);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
