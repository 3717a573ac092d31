/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller: registers, command slots, FISes (AHCI 1.3.1 §3, §4; Serial ATA 3.1 §10.5).
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
	P_END = 0x80,
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
	IS_TASK_ERROR = 1 << 30
};
#define STATE_VERSION 1
#define GHC_AHCI      0x80000000u
#define CAP	      0x80141f00u /* 64-bit addresses, generation 1, AHCI only, 32 slots, 1 port */
#define VERSION	      0x00010300u
#define SIG_ATAPI     0xeb140101u
#define CMD_WRITABLE  0x0f00001fu /* ICC, ATAPI, FRE, CLO, POD, SUD, ST; ICC reads as 0 */

enum {
	SLOTS = 32,
	SLOT_BYTES = 32,
	TABLE_PACKET = 0x40,
	TABLE_LIST = 0x80,
	FIS_PIO_AT = 0x20,
	FIS_D2H_AT = 0x40,
	FIS_H2D = 0x27,
	FIS_D2H = 0x34,
	FIS_PIO = 0x5f,
	FIS_INTERRUPT = 0x40,
	FIS_BYTES = 20,
	FIS_COMMAND = 0x80, /* else the control register was written */
	CONTROL_RESET = 4,
	SLOT_ATAPI = 0x20,
	SLOT_CLEAR_BUSY = 0x400
};

/* ---- interrupts and FISes; lock held --------------------------------------------------------- */

static void update_irq(struct ahci *a)
{
	if (a->port.is & a->port.ie)
		a->is |= 1;
	pci_intx(&a->dev, (a->ghc & GHC_INTERRUPTS) && a->is);
}

static void put_fis(struct ahci *a, unsigned at, const uint8_t *fis)
{
	if (a->port.cmd & CMD_FIS)
		(void)!vm_mem_write(a->mem, a->port.fis + at, fis, FIS_BYTES);
}

/* The device's registers, to the host (Serial ATA 3.1 §10.5.6). */
static void put_d2h(struct ahci *a, const struct ata_command *c, bool interrupt)
{
	uint8_t fis[FIS_BYTES] = {FIS_D2H, interrupt ? FIS_INTERRUPT : 0};

	fis[2] = c->status;
	fis[3] = c->error;
	memcpy(fis + 4, c->fis + 4, 8); /* the command's own registers, but for the count */
	fis[12] = c->reason;
	put_fis(a, FIS_D2H_AT, fis);
}

/* §10.5.11; the status before and after the data. */
static void put_pio(struct ahci *a, const struct ata_command *c)
{
	uint8_t fis[FIS_BYTES] = {FIS_PIO, 0x20 | FIS_INTERRUPT};

	fis[2] = ATA_READY | ATA_SEEK | ATA_DRQ;
	memcpy(fis + 4, c->fis + 4, 8);
	fis[12] = c->reason;
	fis[15] = c->status;
	put_le16(fis + 16, (uint16_t)c->list.moved);
	put_fis(a, FIS_PIO_AT, fis);
}

/* What a drive says of itself after a reset: its signature. */
static void put_signature(struct ahci *a)
{
	struct ata_command c = {.status = ATA_READY | ATA_SEEK, .error = 1, .reason = 1};

	c.fis[4] = 1;
	c.fis[5] = 0x14;
	c.fis[6] = 0xeb;
	a->port.sig = SIG_ATAPI;
	a->port.tfd = (uint32_t)c.error << 8 | c.status;
	put_d2h(a, &c, false);
}

static void reset_port(struct ahci *a)
{
	struct ahci_port *p = &a->port;

	p->is = p->serr = p->sact = p->ci = 0;
	p->ssts = 0x113; /* present, generation 1, active */
	put_signature(a);
}

static void reset_all(struct ahci *a)
{
	uint32_t running = a->port.cmd & CMD_RUNNING;

	a->ghc = GHC_AHCI;
	a->is = 0;
	a->port.list = a->port.fis = 0;
	a->port.ie = a->port.sctl = 0;
	a->port.cmd = 6 | CMD_ATAPI | (a->busy ? running : 0);
	reset_port(a);
	update_irq(a);
}

/* ---- a command ------------------------------------------------------------------------------- */

/* Copies the command out of its slot; false where the guest's addresses are no RAM. */
static bool fetch(struct ahci *a, uint64_t list, unsigned slot, struct ata_command *c,
		  uint16_t *flags)
{
	uint8_t head[SLOT_BYTES];
	uint64_t table;

	memset(c, 0, sizeof(*c));
	if (vm_mem_read(a->mem, list + (uint64_t)slot * SLOT_BYTES, head, sizeof(head)) < 0)
		return false;
	*flags = get_le16(head);
	table = get_le64(head + 8) & ~127ull;
	if (vm_mem_read(a->mem, table, c->fis, ATA_FIS) < 0 ||
	    vm_mem_read(a->mem, table + TABLE_PACKET, c->packet, ATA_PACKET) < 0)
		return false;
	c->list = (struct ata_list){
		.mem = a->mem, .table = table + TABLE_LIST, .entries = get_le16(head + 2)};
	return true;
}

/* Bytes moved go back into the slot. */
static void finish(struct ahci *a, uint64_t list, unsigned slot, const struct ata_command *c)
{
	struct ahci_port *p = &a->port;
	bool error = c->status & ATA_ERROR;
	uint8_t moved[4];

	put_le32(moved, c->list.moved);
	(void)!vm_mem_write(a->mem, list + (uint64_t)slot * SLOT_BYTES + 4, moved, sizeof(moved));
	if (c->pio && c->list.moved) {
		put_pio(a, c);
		p->is |= IS_PIO;
	}
	if (!c->pio || error || c->fis[2] == 0xa0) {
		put_d2h(a, c, true);
		p->is |= IS_D2H;
	}
	p->tfd = (uint32_t)c->error << 8 | c->status;
	if (error)
		p->is |= IS_TASK_ERROR; /* software restarts the port, which clears the slots */
	else
		p->ci &= ~(1u << slot);
	update_irq(a);
}

/* Writes of the control register: a software reset, and its end. */
static void control(struct ahci *a, unsigned slot, const struct ata_command *c)
{
	if (!(c->fis[15] & CONTROL_RESET))
		put_signature(a);
	a->port.ci &= ~(1u << slot);
}

static bool runnable(const struct ahci *a)
{
	return !a->paused && (a->port.cmd & CMD_START) && a->port.ci &&
	       !(a->port.is & IS_TASK_ERROR);
}

/* Runs the lowest slot; the lock is let go meanwhile. */
static void run_one(struct ahci *a)
{
	unsigned slot = (unsigned)__builtin_ctz(a->port.ci);
	uint64_t list = a->port.list;
	struct ata_command c;
	uint16_t flags = 0;

	if (!fetch(a, list, slot, &c, &flags) || c.fis[0] != FIS_H2D) {
		c.status = ATA_READY | ATA_ERROR;
		c.error = ATA_ABORTED;
		finish(a, list, slot, &c);
		return;
	}
	if (!(c.fis[1] & FIS_COMMAND)) {
		control(a, slot, &c);
		return;
	}
	a->port.tfd |= ATA_BUSY;
	a->busy = true;
	pthread_mutex_unlock(&a->lock);
	ata_cd_execute(&a->cd, &c);
	pthread_mutex_lock(&a->lock);
	a->busy = false;
	pthread_cond_signal(&a->idle);
	if ((a->port.cmd & CMD_START) && (a->port.ci & 1u << slot))
		finish(a, list, slot, &c);
	else
		a->port.tfd &= ~(uint32_t)ATA_BUSY;
	if (!(a->port.cmd & CMD_START))
		a->port.cmd &= ~(uint32_t)CMD_RUNNING;
}

void ahci_work(struct ahci *a)
{
	pthread_mutex_lock(&a->lock);
	while (runnable(a))
		run_one(a);
	pthread_mutex_unlock(&a->lock);
}

static void *worker_main(void *arg)
{
	struct ahci *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!a->quit) {
		if (runnable(a))
			run_one(a);
		else
			pthread_cond_wait(&a->work, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- registers ------------------------------------------------------------------------------- */

static void write_cmd(struct ahci *a, uint32_t v)
{
	struct ahci_port *p = &a->port;
	uint32_t keep = p->cmd & (CMD_RUNNING | CMD_ATAPI);

	if (v & CMD_CLEAR_BUSY)
		p->tfd &= ~(uint32_t)(ATA_BUSY | ATA_DRQ);
	p->cmd = (v & CMD_WRITABLE & ~(uint32_t)CMD_CLEAR_BUSY) | keep | CMD_ATAPI;
	p->cmd = v & CMD_FIS ? p->cmd | CMD_FIS_RUNNING : p->cmd & ~(uint32_t)CMD_FIS_RUNNING;
	if (v & CMD_START) {
		p->cmd |= CMD_RUNNING;
	} else {
		p->ci = p->sact = 0;
		if (!a->busy)
			p->cmd &= ~(uint32_t)CMD_RUNNING;
	}
	if ((v & CMD_FIS) && p->sig == SIG_ATAPI && !a->busy && !(v & CMD_START))
		put_signature(a); /* the FIS a drive sent before anyone listened */
}

static void write_port(struct ahci *a, unsigned reg, uint32_t v)
{
	struct ahci_port *p = &a->port;

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
		write_cmd(a, v);
		break;
	case P_SCTL: /* leaving the state "initialise" resets the drive */
		if ((p->sctl & 15) == 1 && (v & 15) == 0)
			reset_port(a);
		p->sctl = v & 0xfff;
		break;
	case P_SERR:
		p->serr &= ~v;
		break;
	case P_SACT:
		p->sact |= v;
		break;
	case P_CI:
		if (p->cmd & CMD_START)
			p->ci |= v;
		break;
	}
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		     uint64_t value)
{
	struct ahci *a = d->opaque;
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
	} else if (offset >= R_PORT && offset < R_PORT + P_END) {
		write_port(a, (unsigned)offset - R_PORT, v);
	}
	update_irq(a);
	if (runnable(a))
		pthread_cond_signal(&a->work);
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

static uint32_t read_register(const struct ahci *a, uint64_t offset)
{
	switch (offset) {
	case R_CAP:
		return CAP;
	case R_GHC:
		return a->ghc;
	case R_IS:
		return a->is;
	case R_PI:
		return 1;
	case R_VS:
		return VERSION;
	default:
		return offset >= R_PORT && offset < R_PORT + P_END
			       ? read_port(&a->port, (unsigned)offset - R_PORT)
			       : 0;
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

static void on_pause(struct pci_dev *d)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	a->paused = true;
	while (a->busy)
		pthread_cond_wait(&a->idle, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

static void on_resume(struct pci_dev *d)
{
	struct ahci *a = d->opaque;

	pthread_mutex_lock(&a->lock);
	a->paused = false;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
}

static void save(struct pci_dev *d, struct snap_out *out)
{
	struct ahci *a = d->opaque;
	const struct ahci_port *p = &a->port;
	const uint32_t word[] = {a->ghc, a->is,	  p->is,   p->ie,   p->cmd,  p->tfd,
				 p->sig, p->ssts, p->sctl, p->serr, p->sact, p->ci};

	pthread_mutex_lock(&a->lock);
	snap_begin(out, d->name, d->slot, STATE_VERSION);
	snap_put_u64(out, p->list);
	snap_put_u64(out, p->fis);
	for (unsigned i = 0; i < ARRAY_LEN(word); i++)
		snap_put_u32(out, word[i]);
	snap_put_u8(out, a->cd.key);
	snap_put_u8(out, a->cd.code);
	snap_put_u8(out, a->cd.locked);
	snap_put_u64(out, a->cd.disc->size);
	snap_end(out);
	pthread_mutex_unlock(&a->lock);
}

static int load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	struct ahci *a = d->opaque;
	struct ahci_port *p = &a->port;
	uint32_t *const word[] = {&a->ghc, &a->is,   &p->is,   &p->ie,	 &p->cmd,  &p->tfd,
				  &p->sig, &p->ssts, &p->sctl, &p->serr, &p->sact, &p->ci};
	struct snap_in in;
	int r = snap_find(s, d->name, d->slot, STATE_VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&a->lock);
	p->list = snap_u64(&in) & ~1023ull;
	p->fis = snap_u64(&in) & ~255ull;
	for (unsigned i = 0; i < ARRAY_LEN(word); i++)
		*word[i] = snap_u32(&in);
	a->cd.key = snap_u8(&in);
	a->cd.code = snap_u8(&in);
	a->cd.locked = snap_u8(&in);
	a->other_disc = snap_u64(&in) != a->cd.disc->size;
	p->tfd &= ~(uint32_t)ATA_BUSY; /* nothing was in flight */
	a->paused = true;
	pthread_mutex_unlock(&a->lock);
	return snap_done(&in, e);
}

/* ---- making one ------------------------------------------------------------------------------ */

struct ahci *ahci_new(struct pci_bus *bus, const struct vm_mem *mem, struct block *disc,
		      struct err *e)
{
	static const struct pci_ops ops = {.bar_read = on_read,
					   .bar_write = on_write,
					   .reset = on_reset,
					   .pause = on_pause,
					   .resume = on_resume,
					   .save = save,
					   .load = load};
	struct ahci *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		block_close(disc);
		(void)err_set(e, -ENOMEM, "AHCI: out of memory");
		return NULL;
	}
	a->mem = mem;
	a->cd.disc = disc;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
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
	reset_all(a);
	r = pci_bar_add(&a->dev, 5, PCI_BAR_MEM32, ABAR);
	if (r == 0)
		r = pci_add(bus, &a->dev);
	if (r < 0) {
		(void)err_set(e, r, "AHCI: %s", strerrorname_np(-r));
		ahci_free(a);
		return NULL;
	}
	return a;
}

int ahci_start(struct ahci *a, struct err *e)
{
	int r = pthread_create(&a->worker, NULL, worker_main, a);

	a->started = r == 0;
	/* By us: the thread itself might get to it only when it is jailed. */
	if (a->started)
		pthread_setname_np(a->worker, "ahci");
	return r ? err_set(e, -r, "AHCI: %s", strerrorname_np(r)) : 0;
}

void ahci_free(struct ahci *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->quit = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	if (a->started)
		pthread_join(a->worker, NULL);
	pci_dev_fini(&a->dev);
	block_close(a->cd.disc);
	pthread_cond_destroy(&a->work);
	pthread_cond_destroy(&a->idle);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
