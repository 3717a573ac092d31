/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller: registers, command slots, FISes (AHCI 1.3.1 §3, §4; Serial ATA 3.1 §10.5). Slots
 * are taken in turn, so that none waits for ever. A queued command leaves PxCI when it begins and
 * PxSACT when it is done (§5.3.12); until then its slot says that it is still to do, which is what
 * a snapshot keeps.
 *
 * A command in flight belongs to the worker. When the guest stops the port meanwhile, the port
 * still says that its list is running (CR) until the worker is done, and drops the answer: as
 * §10.3.2 has software wait for that, nothing is written to guest RAM after it.
 */
#include "vmm/pc/ahci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"

enum {
	R_CAP = 0x00,
	R_GHC = 0x04,
	R_IS = 0x08,
	R_PI = 0x0c,
	R_VS = 0x10,
	R_PORT = 0x100,
	P_CLB = 0x00,
	P_CLBU = 0x04,
	P_FB = 0x08,
	P_FBU = 0x0c,
	P_IS = 0x10,
	P_IE = 0x14,
	P_CMD = 0x18,
	P_TFD = 0x20,
	P_SIG = 0x24,
	P_SSTS = 0x28,
	P_SCTL = 0x2c,
	P_SERR = 0x30,
	P_SACT = 0x34,
	P_CI = 0x38,
	P_BYTES = 0x80,
	ABAR = 4096
};
enum {
	GHC_RESET = 1,
	GHC_INTERRUPTS = 2,
	CMD_START = 1,
	CMD_CLEAR_BUSY = 8,
	CMD_FIS = 16,
	CMD_FIS_RUNNING = 1 << 14,
	CMD_RUNNING = 1 << 15,
	CMD_ATAPI = 1 << 24,
	IS_D2H = 1,
	IS_PIO = 2,
	IS_BITS = 8,
	IS_TASK_ERROR = 1 << 30
};
#define STATE_VERSION 2
#define GHC_AHCI      0x80000000u
/* 64-bit addresses, queues, generation 3, AHCI only, 32 slots; the ports but one go with it */
#define CAP	     0xc0341f00u
#define VERSION	     0x00010300u
#define CMD_WRITABLE 0x0f00001fu /* ICC, ATAPI, FRE, CLO, POD, SUD, ST; ICC reads as 0 */

enum {
	SLOTS = 32,
	SLOT_BYTES = 32,
	TABLE_PACKET = 0x40,
	TABLE_LIST = 0x80,
	FIS_PIO_AT = 0x20,
	FIS_D2H_AT = 0x40,
	FIS_BITS_AT = 0x58,
	FIS_H2D = 0x27,
	FIS_D2H = 0x34,
	FIS_PIO = 0x5f,
	FIS_BITS = 0xa1,
	FIS_BITS_BYTES = 8,
	FIS_INTERRUPT = 0x40,
	FIS_BYTES = 20,
	FIS_COMMAND = 0x80, /* else the control register was written */
	CONTROL_RESET = 4,
	SLOT_ATAPI = 0x20,
	SLOT_CLEAR_BUSY = 0x400,
	READ_QUEUED = 0x60,
	WRITE_QUEUED = 0x61,
	PACKET = 0xa0
};

/* ---- interrupts and FISes; lock held --------------------------------------------------------- */

static void update_irq(struct ahci *a)
{
	for (unsigned i = 0; i < a->ports; i++)
		if (a->port[i].is & a->port[i].ie)
			a->is |= 1u << i;
	pci_intx(&a->dev, (a->ghc & GHC_INTERRUPTS) && a->is);
}

static void put_fis(struct ahci_port *p, unsigned at, const uint8_t *fis, size_t n)
{
	if (p->cmd & CMD_FIS)
		(void)!vm_mem_write(p->ahci->mem, p->fis + at, fis, n);
}

/* The device's registers, to the host (Serial ATA 3.1 §10.5.6). */
static void put_d2h(struct ahci_port *p, const struct ata_command *c, bool interrupt)
{
	uint8_t fis[FIS_BYTES] = {FIS_D2H, interrupt ? FIS_INTERRUPT : 0};

	fis[2] = c->status;
	fis[3] = c->error;
	memcpy(fis + 4, c->fis + 4, 8); /* the command's own registers, but for the count */
	fis[12] = c->reason;
	put_fis(p, FIS_D2H_AT, fis, sizeof(fis));
}

/* §10.5.11; the status before and after the data. */
static void put_pio(struct ahci_port *p, const struct ata_command *c)
{
	uint8_t fis[FIS_BYTES] = {FIS_PIO, (uint8_t)((c->out ? 0 : 0x20) | FIS_INTERRUPT)};

	fis[2] = ATA_READY | ATA_SEEK | ATA_DRQ;
	memcpy(fis + 4, c->fis + 4, 8);
	fis[12] = c->reason;
	fis[15] = c->status;
	put_le16(fis + 16, (uint16_t)c->list.moved);
	put_fis(p, FIS_PIO_AT, fis, sizeof(fis));
}

/* Set Device Bits: the slots that are done (§10.5.7); after an error none. */
static void put_bits(struct ahci_port *p, const struct ata_command *c, uint32_t done)
{
	uint8_t fis[FIS_BITS_BYTES] = {FIS_BITS, FIS_INTERRUPT};

	fis[2] = c->status & 0x77; /* busy and data request are none of its */
	fis[3] = c->error;
	put_le32(fis + 4, done);
	put_fis(p, FIS_BITS_AT, fis, sizeof(fis));
}

/* What a drive says of itself after a reset: its signature. */
static void put_signature(struct ahci_port *p)
{
	uint32_t is = p->drive->ops->signature;
	struct ata_command c = {.status = ATA_READY | ATA_SEEK, .error = 1, .reason = (uint8_t)is};

	for (unsigned i = 0; i < 3; i++)
		c.fis[4 + i] = (uint8_t)(is >> 8 * (i + 1));
	p->sig = is;
	p->tfd = (uint32_t)c.error << 8 | c.status;
	put_d2h(p, &c, false);
}

static void reset_port(struct ahci_port *p)
{
	p->is = p->serr = p->sact = p->ci = 0;
	p->failed = false;
	p->ssts = 0x133; /* present, generation 3, active */
	put_signature(p);
}

static uint32_t kind(const struct ahci_port *p)
{
	return p->drive->ops->atapi ? CMD_ATAPI : 0;
}

static void reset_all(struct ahci *a)
{
	a->ghc = GHC_AHCI;
	a->is = 0;
	for (unsigned i = 0; i < a->ports; i++) {
		struct ahci_port *p = &a->port[i];
		uint32_t running = p->cmd & CMD_RUNNING;

		p->list = p->fis = 0;
		p->ie = p->sctl = 0;
		p->cmd = 6 | kind(p) | (p->busy ? running : 0);
		reset_port(p);
	}
	update_irq(a);
}

/* ---- a command ------------------------------------------------------------------------------- */

/* Copies the command out of its slot; false where the guest's addresses are no RAM. */
static bool fetch(const struct ahci *a, uint64_t list, unsigned slot, struct ata_command *c)
{
	uint8_t head[SLOT_BYTES];
	uint64_t table;

	memset(c, 0, sizeof(*c));
	if (vm_mem_read(a->mem, list + (uint64_t)slot * SLOT_BYTES, head, sizeof(head)) < 0)
		return false;
	table = get_le64(head + 8) & ~127ull;
	if (vm_mem_read(a->mem, table, c->fis, ATA_FIS) < 0 ||
	    vm_mem_read(a->mem, table + TABLE_PACKET, c->packet, ATA_PACKET) < 0)
		return false;
	c->list = (struct ata_list){
		.mem = a->mem, .table = table + TABLE_LIST, .entries = get_le16(head + 2)};
	return true;
}

static bool is_queued(const struct ata_command *c)
{
	return c->fis[2] == READ_QUEUED || c->fis[2] == WRITE_QUEUED;
}

static void finish_queued(struct ahci_port *p, unsigned slot, const struct ata_command *c)
{
	bool error = c->status & ATA_ERROR;

	put_bits(p, c, error ? 0 : 1u << slot);
	p->is |= IS_BITS;
	if (!error)
		p->sact &= ~(1u << slot);
}

/* Bytes moved go back into the slot. */
static void finish_plain(struct ahci_port *p, uint64_t list, unsigned slot,
			 const struct ata_command *c)
{
	bool error = c->status & ATA_ERROR;
	uint8_t moved[4];

	put_le32(moved, c->list.moved);
	(void)!vm_mem_write(p->ahci->mem, list + (uint64_t)slot * SLOT_BYTES + 4, moved,
			    sizeof(moved));
	if (c->pio && c->list.moved) {
		put_pio(p, c);
		p->is |= IS_PIO;
	}
	if (!c->pio || c->out || error || c->fis[2] == PACKET) {
		put_d2h(p, c, true);
		p->is |= IS_D2H;
	}
	if (!error)
		p->ci &= ~(1u << slot);
}

static void finish(struct ahci_port *p, uint64_t list, unsigned slot, const struct ata_command *c)
{
	if (is_queued(c))
		finish_queued(p, slot, c);
	else
		finish_plain(p, list, slot, c);
	p->tfd = (uint32_t)c->error << 8 | c->status;
	if (c->status & ATA_ERROR) { /* software restarts the port, which clears the slots */
		p->is |= IS_TASK_ERROR;
		p->failed = true;
	}
	update_irq(p->ahci);
}

/* Writes of the control register: a software reset, and its end. */
static void control(struct ahci_port *p, unsigned slot, const struct ata_command *c)
{
	if (!(c->fis[15] & CONTROL_RESET))
		put_signature(p);
	p->ci &= ~(1u << slot);
}

static bool issued(const struct ahci_port *p)
{
	return !p->ahci->paused && (p->cmd & CMD_START) && p->ci && !p->failed;
}

/* Not for vCPU threads: the limiter may arm its timer. */
static bool runnable(struct ahci_port *p)
{
	return issued(p) && limiter_ready(&p->limiter);
}

/* The next slot after the one before. */
static unsigned next_slot(struct ahci_port *p)
{
	uint32_t later = p->ci & ~((2u << p->last) - 1);

	p->last = (unsigned)__builtin_ctz(later ? later : p->ci);
	return p->last;
}

/* Its answer is still asked for: the guest has not taken the command back meanwhile. */
static bool wanted(const struct ahci_port *p, unsigned slot, bool queued)
{
	return (p->cmd & CMD_START) && ((queued ? p->sact : p->ci) & 1u << slot);
}

/* Runs a slot; the lock is let go meanwhile. */
static void run_one(struct ahci_port *p)
{
	struct ahci *a = p->ahci;
	unsigned slot = next_slot(p);
	uint64_t list = p->list;
	struct ata_command c;

	if (!fetch(a, list, slot, &c) || c.fis[0] != FIS_H2D ||
	    (is_queued(&c) && (c.fis[12] >> 3 != slot || !(p->sact & 1u << slot)))) {
		c.status = ATA_READY | ATA_ERROR;
		c.error = ATA_ABORTED;
		c.fis[2] = 0;
		finish(p, list, slot, &c);
		return;
	}
	if (!(c.fis[1] & FIS_COMMAND)) {
		control(p, slot, &c);
		return;
	}
	if (is_queued(&c))
		p->ci &= ~(1u << slot);
	p->tfd |= ATA_BUSY;
	p->busy = true;
	pthread_mutex_unlock(&a->lock);
	p->drive->ops->execute(p->drive, &c);
	pthread_mutex_lock(&a->lock);
	p->busy = false;
	limiter_charge(&p->limiter, c.list.moved);
	pthread_cond_broadcast(&a->idle);
	if (wanted(p, slot, is_queued(&c)))
		finish(p, list, slot, &c);
	else
		p->tfd &= ~(uint32_t)ATA_BUSY;
	if (!(p->cmd & CMD_START))
		p->cmd &= ~(uint32_t)CMD_RUNNING;
}

void ahci_work(struct ahci *a)
{
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < a->ports; i++)
		while (runnable(&a->port[i]))
			run_one(&a->port[i]);
	pthread_mutex_unlock(&a->lock);
}

static void *worker_main(void *arg)
{
	struct ahci_port *p = arg;
	struct ahci *a = p->ahci;

	pthread_mutex_lock(&a->lock);
	while (!a->quit) {
		if (runnable(p))
			run_one(p);
		else
			pthread_cond_wait(&p->work, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* A port's limiter lets something through again: main loop. */
static void resume(void *arg)
{
	struct ahci_port *p = arg;

	pthread_mutex_lock(&p->ahci->lock);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->ahci->lock);
}

void ahci_limit(struct ahci *a, const struct limit *limit)
{
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < a->ports; i++)
		if (!a->port[i].drive->ops->atapi)
			limiter_set(&a->port[i].limiter, limit);
	pthread_mutex_unlock(&a->lock);
}

/* ---- registers ------------------------------------------------------------------------------- */

static void write_cmd(struct ahci_port *p, uint32_t v)
{
	bool listens = (v & CMD_FIS) && !(p->cmd & CMD_FIS);

	if (v & CMD_CLEAR_BUSY)
		p->tfd &= ~(uint32_t)(ATA_BUSY | ATA_DRQ);
	p->cmd = (v & CMD_WRITABLE & ~(uint32_t)(CMD_CLEAR_BUSY | CMD_ATAPI)) |
		 (p->cmd & CMD_RUNNING) | kind(p);
	p->cmd = v & CMD_FIS ? p->cmd | CMD_FIS_RUNNING : p->cmd & ~(uint32_t)CMD_FIS_RUNNING;
	if (v & CMD_START) {
		p->cmd |= CMD_RUNNING;
	} else {
		p->ci = p->sact = 0;
		p->failed = false;
		if (!p->busy)
			p->cmd &= ~(uint32_t)CMD_RUNNING;
	}
	if (listens && !p->busy && !(v & CMD_START))
		put_signature(p); /* the FIS a drive sent before anyone listened */
}

static void write_port(struct ahci_port *p, unsigned reg, uint32_t v)
{
	switch (reg) {
	case P_CLB:
		p->list = (p->list & ~0xffffffffull) | (v & ~1023u);
		break;
	case P_CLBU:
		p->list = (p->list & 0xffffffff) | (uint64_t)v << 32;
		break;
	case P_FB:
		p->fis = (p->fis & ~0xffffffffull) | (v & ~255u);
		break;
	case P_FBU:
		p->fis = (p->fis & 0xffffffff) | (uint64_t)v << 32;
		break;
	case P_IS:
		p->is &= ~v;
		break;
	case P_IE:
		p->ie = v;
		break;
	case P_CMD:
		write_cmd(p, v);
		break;
	case P_SCTL: /* leaving the state "initialise" resets the drive */
		if ((p->sctl & 15) == 1 && (v & 15) == 0)
			reset_port(p);
		p->sctl = v & 0xfff;
		break;
	case P_SERR:
		p->serr &= ~v;
		break;
	case P_SACT:
		if (p->cmd & CMD_START)
			p->sact |= v;
		break;
	case P_CI:
		if (p->cmd & CMD_START)
			p->ci |= v;
		break;
	}
}

/* The port a register belongs to, NULL where there is none. */
static struct ahci_port *port_at(struct ahci *a, uint64_t offset)
{
	uint64_t n = offset < R_PORT ? a->ports : (offset - R_PORT) / P_BYTES;

	return n < a->ports ? &a->port[n] : NULL;
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		     uint64_t value)
{
	struct ahci *a = d->opaque;
	struct ahci_port *p = port_at(a, offset);
	uint32_t v = (uint32_t)value;

	(void)bar;
	if (size != 4)
		return;
	pthread_mutex_lock(&a->lock);
	if (offset == R_GHC) {
		a->ghc = GHC_AHCI | (v & GHC_INTERRUPTS);
		if (v & GHC_RESET)
			reset_all(a);
	} else if (offset == R_IS) {
		a->is &= ~v;
	} else if (p) {
		write_port(p, (unsigned)(offset - R_PORT) % P_BYTES, v);
	}
	update_irq(a);
	if (p && issued(p))
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&a->lock);
}

static uint32_t read_port(const struct ahci_port *p, unsigned reg)
{
	switch (reg) {
	case P_CLB:
		return (uint32_t)p->list;
	case P_CLBU:
		return (uint32_t)(p->list >> 32);
	case P_FB:
		return (uint32_t)p->fis;
	case P_FBU:
		return (uint32_t)(p->fis >> 32);
	case P_IS:
		return p->is;
	case P_IE:
		return p->ie;
	case P_CMD:
		return p->cmd;
	case P_TFD:
		return p->tfd;
	case P_SIG:
		return p->sig;
	case P_SSTS:
		return p->ssts;
	case P_SCTL:
		return p->sctl;
	case P_SERR:
		return p->serr;
	case P_SACT:
		return p->sact;
	case P_CI:
		return p->ci;
	default:
		return 0;
	}
}

static uint32_t read_register(struct ahci *a, uint64_t offset)
{
	const struct ahci_port *p = port_at(a, offset);

	switch (offset) {
	case R_CAP:
		return CAP | (a->ports - 1);
	case R_GHC:
		return a->ghc;
	case R_IS:
		return a->is;
	case R_PI:
		return (1u << a->ports) - 1;
	case R_VS:
		return VERSION;
	default:
		return p ? read_port(p, (unsigned)(offset - R_PORT) % P_BYTES) : 0;
	}
}

static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	struct ahci *a = d->opaque;
	uint64_t v;

	(void)bar;
	pthread_mutex_lock(&a->lock);
	v = read_register(a, offset & ~3ull) >> 8 * (offset & 3);
	pthread_mutex_unlock(&a->lock);
	return size > 4 ? v : v & (0xffffffffull >> (32 - 8 * size));
}

static void on_reset(struct pci_dev *d)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	reset_all(a);
	pthread_mutex_unlock(&a->lock);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static bool busy(const struct ahci *a)
{
	for (unsigned i = 0; i < a->ports; i++)
		if (a->port[i].busy)
			return true;
	return false;
}

static void on_pause(struct pci_dev *d)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	a->paused = true;
	while (busy(a))
		pthread_cond_wait(&a->idle, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

static void on_resume(struct pci_dev *d)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	a->paused = false;
	for (unsigned i = 0; i < a->ports; i++)
		pthread_cond_signal(&a->port[i].work);
	pthread_mutex_unlock(&a->lock);
}

/* What medium this is and what is on it, as far as the file below can tell. */
static void identity(struct block *b, char id[65])
{
	id[0] = 0;
	if (b->ops->identity)
		b->ops->identity(b, id);
}

static void save_port(struct ahci_port *p, struct snap_out *out)
{
	const uint32_t word[] = {p->is,	  p->ie,   p->cmd,  p->tfd,  p->sig,
				 p->ssts, p->sctl, p->serr, p->sact, p->ci};
	char id[65];

	snap_put_u64(out, p->list);
	snap_put_u64(out, p->fis);
	for (unsigned i = 0; i < ARRAY_LEN(word); i++)
		snap_put_u32(out, word[i]);
	snap_put_u8(out, p->failed);
	snap_put_u8(out, p->drive->ops->atapi);
	p->drive->ops->save(p->drive, out);
	identity(p->drive->block, id);
	snap_put_u64(out, p->drive->block->size);
	snap_put_text(out, id);
}

static void save(struct pci_dev *d, struct snap_out *out)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	snap_begin(out, d->name, d->slot, STATE_VERSION);
	snap_put_u32(out, a->ghc);
	snap_put_u32(out, a->is);
	snap_put_u8(out, (uint8_t)a->ports);
	for (unsigned i = 0; i < a->ports; i++)
		save_port(&a->port[i], out);
	snap_end(out);
	pthread_mutex_unlock(&a->lock);
}

static void load_port(struct ahci_port *p, struct snap_in *in)
{
	uint32_t *const word[] = {&p->is,   &p->ie,   &p->cmd,	&p->tfd,  &p->sig,
				  &p->ssts, &p->sctl, &p->serr, &p->sact, &p->ci};
	struct block *b = p->drive->block;
	char now[65], then[65];

	p->list = snap_u64(in) & ~1023ull;
	p->fis = snap_u64(in) & ~255ull;
	for (unsigned i = 0; i < ARRAY_LEN(word); i++)
		*word[i] = snap_u32(in);
	p->failed = snap_u8(in);
	if (snap_u8(in) != p->drive->ops->atapi) {
		snap_refuse(in);
		return;
	}
	p->drive->ops->load(p->drive, in);
	identity(b, now);
	if (snap_u64(in) != b->size)
		p->ahci->other_disc = true;
	snap_text(in, then, sizeof(then));
	if (strcmp(now, then) != 0)
		p->ahci->other_disc = true;
	p->tfd &= ~(uint32_t)ATA_BUSY; /* nothing was in flight */
}

static int load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	struct ahci *a = d->opaque;
	struct snap_in in;
	int r = snap_find(s, d->name, d->slot, STATE_VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&a->lock);
	a->paused = true;
	a->ghc = snap_u32(&in);
	a->is = snap_u32(&in);
	if (in.version != STATE_VERSION || snap_u8(&in) != a->ports)
		snap_refuse(&in);
	for (unsigned i = 0; i < a->ports && !in.bad; i++)
		load_port(&a->port[i], &in);
	pthread_mutex_unlock(&a->lock);
	return snap_done(&in, e);
}

/* ---- making one ------------------------------------------------------------------------------ */

static int init_port(struct ahci *a, struct ata_drive *drive, struct loop *loop)
{
	struct ahci_port *p = &a->port[a->ports++];

	p->ahci = a;
	p->drive = drive;
	p->last = SLOTS - 1;
	p->limiter.fd = -1;
	pthread_cond_init(&p->work, NULL);
	return loop ? limiter_init(&p->limiter, loop, resume, p) : 0;
}

struct ahci *ahci_new(const struct ahci_cfg *c, struct err *e)
{
	static const struct pci_ops ops = {.bar_read = on_read,
					   .bar_write = on_write,
					   .reset = on_reset,
					   .pause = on_pause,
					   .resume = on_resume,
					   .save = save,
					   .load = load};
	struct ahci *a = calloc(1, sizeof(*a));
	int r = 0;

	if (!a || c->n < 1 || c->n > AHCI_PORTS) {
		for (unsigned i = 0; i < c->n; i++)
			ata_drive_free(c->drive[i]);
		free(a);
		(void)err_set(e, -ENOMEM, "AHCI: out of memory");
		return NULL;
	}
	a->mem = c->mem;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->idle, NULL);
	a->dev = (struct pci_dev){.name = "ahci",
				  .vendor = 0x8086,
				  .device = 0x2922,
				  .subvendor = 0x1af4,
				  .subdevice = 0x1100,
				  .revision = 2,
				  .class_code = 0x010601,
				  .intx = true,
				  .ops = &ops,
				  .opaque = a};
	for (unsigned i = 0; i < c->n; i++) {
		int one = init_port(a, c->drive[i], c->loop);

		r = r ? r : one;
	}
	reset_all(a);
	if (r == 0)
		r = pci_bar_add(&a->dev, 5, PCI_BAR_MEM32, ABAR);
	if (r == 0)
		r = pci_add(c->pci, &a->dev);
	if (r < 0) {
		(void)err_set(e, r, "AHCI: %s", strerrorname_np(-r));
		ahci_free(a);
		return NULL;
	}
	return a;
}

int ahci_start(struct ahci *a, struct err *e)
{
	for (unsigned i = 0; i < a->ports; i++) {
		struct ahci_port *p = &a->port[i];
		int r = pthread_create(&p->worker, NULL, worker_main, p);

		if (r)
			return err_set(e, -r, "AHCI: %s", strerrorname_np(r));
		p->started = true;
		/* By us: the thread itself might get to it only when it is jailed. */
		pthread_setname_np(p->worker, "io-ahci");
	}
	return 0;
}

void ahci_free(struct ahci *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->quit = true;
	for (unsigned i = 0; i < a->ports; i++)
		pthread_cond_signal(&a->port[i].work);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; i < a->ports; i++)
		if (a->port[i].started)
			pthread_join(a->port[i].worker, NULL);
	pci_dev_fini(&a->dev);
	for (unsigned i = 0; i < a->ports; i++) {
		limiter_fini(&a->port[i].limiter);
		ata_drive_free(a->port[i].drive);
		pthread_cond_destroy(&a->port[i].work);
	}
	pthread_cond_destroy(&a->idle);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
