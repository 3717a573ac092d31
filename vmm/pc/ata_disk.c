/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk (ACS-3; clauses are those of T13/2161-D). 512-byte sectors, eight of which are one of the
 * medium's; LBA only, queued commands (NCQ), TRIM, a write cache that can be switched off. What is
 * not offered in IDENTIFY DEVICE (SMART, security, power management levels, host protected area)
 * is aborted. Data goes between the file and the guest's memory without a stop in between.
 */
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/pc/ata.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/block_problem.h"

enum {
	SECTOR = 512,
	SERIAL = 20,
	TRIM_BLOCKS = 8, /* of 64 ranges each */
	QUEUE = 32,
	LOG_NCQ_ERROR = 0x10
};
#define BATCH (4u << 20) /* bytes moved at once */

enum {
	C_TRIM = 0x06,
	C_READ = 0x20,
	C_READ_EXT = 0x24,
	C_READ_DMA_EXT = 0x25,
	C_READ_LOG_EXT = 0x2f,
	C_WRITE = 0x30,
	C_WRITE_EXT = 0x34,
	C_WRITE_DMA_EXT = 0x35,
	C_WRITE_DMA_FUA = 0x3d,
	C_VERIFY = 0x40,
	C_VERIFY_EXT = 0x42,
	C_READ_QUEUED = 0x60,
	C_WRITE_QUEUED = 0x61,
	C_READ_DMA = 0xc8,
	C_WRITE_DMA = 0xca,
	C_STANDBY_NOW = 0xe0,
	C_IDLE_NOW = 0xe1,
	C_STANDBY = 0xe2,
	C_IDLE = 0xe3,
	C_CHECK_POWER = 0xe5,
	C_SLEEP = 0xe6,
	C_FLUSH = 0xe7,
	C_FLUSH_EXT = 0xea,
	C_IDENTIFY = 0xec,
	C_SET_FEATURES = 0xef
};
enum {
	E_UNCORRECTABLE = 0x40,
	E_NO_SUCH_ADDRESS = 0x10
};

struct ata_disk {
	struct ata_drive drive;
	char serial[SERIAL + 1];
	struct block_problem *problem; /* borrowed */
	bool write_through;	       /* the guest has switched the write cache off */
	uint8_t ncq_error[SECTOR];     /* of the latest queued command that failed (§9.12) */
	uint8_t buffer[ATA_CHUNK];
};

static struct ata_disk *of(struct ata_drive *d)
{
	return (struct ata_disk *)(void *)d;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void good(struct ata_command *c)
{
	c->status = ATA_READY | ATA_SEEK;
	c->error = 0;
}

static void fail(struct ata_command *c, uint8_t error)
{
	c->status = ATA_READY | ATA_SEEK | ATA_ERROR;
	c->error = error;
}

static bool queued(const struct ata_command *c)
{
	return c->fis[2] == C_READ_QUEUED || c->fis[2] == C_WRITE_QUEUED;
}

static bool ok(struct ata_disk *d, struct ata_command *c, const char *what, int r)
{
	if (r == 0)
		return true;
	if (d->problem)
		block_problem_report(d->problem, what, r);
	fail(c, *what == 'r' ? E_UNCORRECTABLE : ATA_ABORTED);
	return false;
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct extent {
	uint64_t lba, count; /* sectors */
};

static uint64_t lba48(const uint8_t *fis)
{
	return fis[4] | fis[5] << 8 | fis[6] << 16 | (uint64_t)fis[8] << 24 |
	       (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40;
}

/* Where a command goes: 28 bits, 48 bits, or queued (§7.16, §7.22). A count of 0 is the most. */
static struct extent extent_of(const struct ata_command *c, bool ext)
{
	const uint8_t *f = c->fis;
	unsigned n = f[12];
	struct extent x = {.lba = lba48(f)};

	if (queued(c))
		n = f[3] | f[11] << 8;
	else if (ext)
		n = f[12] | f[13] << 8;
	else
		x.lba = f[4] | f[5] << 8 | f[6] << 16 | (uint64_t)(f[7] & 15) << 24;
	x.count = n ? n : ext || queued(c) ? 65536 : 256;
	return x;
}

/* Inside the disk, and by LBA: nobody has asked for cylinders since. */
static bool reachable(struct ata_disk *d, struct ata_command *c, const struct extent *x)
{
	if (!(c->fis[7] & 0x40))
		fail(c, ATA_ABORTED);
	else if (!range_ok(x->lba, x->count, d->drive.block->size / SECTOR))
		fail(c, E_NO_SUCH_ADDRESS | ATA_ABORTED);
	else
		return true;
	return false;
}

/* The address at which it went wrong goes back with the error. */
static void tell_address(struct ata_command *c, uint64_t lba)
{
	for (unsigned i = 0; i < 3; i++) {
		c->fis[4 + i] = (uint8_t)(lba >> 8 * i);
		c->fis[8 + i] = (uint8_t)(lba >> 8 * (3 + i));
	}
}

/* ---- data ------------------------------------------------------------------------------------ */

static bool move(struct ata_disk *d, struct ata_command *c, const struct extent *x, bool write)
{
	struct block *b = d->drive.block;
	uint64_t off = x->lba * SECTOR, left = x->count * SECTOR;
	struct iovec iov[ATA_PIECES];

	while (left) {
		int n, r;
		size_t part = ata_list_take(&c->list, left < BATCH ? left : BATCH, SECTOR, iov, &n);

		if (!part) { /* the list is shorter than what it is for */
			fail(c, ATA_ABORTED);
			return false;
		}
		r = write ? b->ops->writev(b, iov, n, off) : b->ops->readv(b, iov, n, off);
		if (!ok(d, c, write ? "write" : "read", r)) {
			tell_address(c, off / SECTOR);
			return false;
		}
		off += part;
		left -= part;
	}
	return true;
}

static void flush(struct ata_disk *d, struct ata_command *c)
{
	struct block *b = d->drive.block;

	good(c);
	(void)ok(d, c, "flush", b->ops->flush(b));
}

static void transfer(struct ata_disk *d, struct ata_command *c, bool ext, bool write, bool through)
{
	struct extent x = extent_of(c, ext);

	good(c);
	if (!reachable(d, c, &x))
		return;
	if (write && d->drive.block->read_only)
		fail(c, ATA_ABORTED);
	else if (move(d, c, &x, write) && write && (through || d->write_through))
		flush(d, c);
}

/* What a queued command failed with, for whoever asks by READ LOG EXT (§9.12). */
static void remember_error(struct ata_disk *d, const struct ata_command *c)
{
	uint8_t *p = d->ncq_error, sum = 0;

	memset(p, 0, SECTOR);
	p[0] = c->fis[12] >> 3;
	p[2] = c->status;
	p[3] = c->error;
	memcpy(p + 4, c->fis + 4, 8); /* LBA and device */
	for (unsigned i = 0; i < SECTOR - 1; i++)
		sum = (uint8_t)(sum + p[i]);
	p[SECTOR - 1] = (uint8_t)-sum;
}

static void transfer_queued(struct ata_disk *d, struct ata_command *c)
{
	transfer(d, c, true, c->fis[2] == C_WRITE_QUEUED, c->fis[7] & 0x80);
	if (c->status & ATA_ERROR)
		remember_error(d, c);
}

static void verify(struct ata_disk *d, struct ata_command *c, bool ext)
{
	struct block *b = d->drive.block;
	struct extent x = extent_of(c, ext);

	good(c);
	if (!reachable(d, c, &x))
		return;
	for (uint64_t at = 0; at < x.count * SECTOR; at += ATA_CHUNK) {
		uint64_t left = x.count * SECTOR - at;
		struct iovec v = {.iov_base = d->buffer,
				  .iov_len = left < ATA_CHUNK ? left : ATA_CHUNK};

		if (!ok(d, c, "read", b->ops->readv(b, &v, 1, x.lba * SECTOR + at))) {
			tell_address(c, x.lba + at / SECTOR);
			return;
		}
	}
}

/* DATA SET MANAGEMENT: ranges of a 48-bit address and a 16-bit count that are no longer needed
 * (§7.5). */
static void trim(struct ata_disk *d, struct ata_command *c)
{
	struct block *b = d->drive.block;
	size_t n = (size_t)(c->fis[12] | c->fis[13] << 8) * SECTOR;

	good(c);
	if (c->fis[3] != 1 || !n || n > TRIM_BLOCKS * SECTOR || b->read_only ||
	    ata_list_get(&c->list, d->buffer, n) < n) {
		fail(c, ATA_ABORTED);
		return;
	}
	for (size_t i = 0; i < n; i += 8) {
		uint64_t e = get_le64(d->buffer + i), lba = e & 0xffffffffffff, count = e >> 48;

		if (!count)
			continue;
		if (!range_ok(lba, count, b->size / SECTOR)) {
			fail(c, E_NO_SUCH_ADDRESS | ATA_ABORTED);
			return;
		}
		if (!ok(d, c, "discard", b->ops->discard(b, lba * SECTOR, count * SECTOR)))
			return;
	}
}

/* ---- what it says of itself ------------------------------------------------------------------ */

static void word(uint8_t *p, unsigned n, unsigned v)
{
	put_le16(p + 2 * (size_t)n, (uint16_t)v);
}

static void reply(struct ata_command *c, const uint8_t *p)
{
	good(c);
	c->pio = true;
	(void)ata_list_put(&c->list, p, SECTOR);
}

/* §7.12.7. */
static void identify(struct ata_disk *d, struct ata_command *c)
{
	uint64_t n = d->drive.block->size / SECTOR;
	uint32_t n28 = n > 0xfffffff ? 0xfffffff : (uint32_t)n;
	uint8_t r[SECTOR] = {0}, sum = 0;

	word(r, 0, 0x0040);
	ata_string(r + 20, d->serial, 20);
	ata_string(r + 46, "1.0", 8);
	ata_string(r + 54, "PANE DISK", 40);
	word(r, 47, 0x8000);
	word(r, 49, 0x0f00); /* IORDY, LBA, DMA */
	word(r, 50, 0x4000);
	word(r, 53, 6); /* words 64..70 and 88 are valid */
	put_le32(r + 120, n28);
	word(r, 63, 0x0407); /* multiword DMA 2 */
	word(r, 64, 3);
	for (unsigned i = 65; i <= 68; i++)
		word(r, i, 120);
	word(r, 75, QUEUE - 1);
	word(r, 76, 0x010e); /* NCQ; SATA generations 1 to 3 */
	word(r, 80, 0x03f0); /* ATA/ATAPI-4 to ACS-2 */
	word(r, 82, 0x4020); /* NOP, write cache */
	word(r, 83, 0x7400); /* FLUSH CACHE (EXT), 48-bit addresses */
	word(r, 84, 0x4060); /* logs, WRITE DMA FUA EXT */
	word(r, 85, d->write_through ? 0x4000 : 0x4020);
	word(r, 86, 0x3400);
	word(r, 87, 0x4060);
	word(r, 88, 0x203f); /* Ultra DMA 5 */
	put_le64(r + 200, n);
	word(r, 105, TRIM_BLOCKS);
	word(r, 106, 0x6003); /* eight sectors are one of the medium's */
	word(r, 169, 1);      /* TRIM */
	word(r, 217, 1);      /* nothing rotates */
	r[510] = 0xa5;
	for (unsigned i = 0; i < SECTOR - 1; i++)
		sum = (uint8_t)(sum + r[i]);
	r[511] = (uint8_t)-sum;
	reply(c, r);
}

/* The directory of logs, and the one there is (§9.2, §9.12). */
static void read_log(struct ata_disk *d, struct ata_command *c)
{
	uint8_t directory[SECTOR] = {1};
	uint8_t log = c->fis[4];

	word(directory, LOG_NCQ_ERROR, 1);
	if (c->fis[12] != 1 || c->fis[13] || c->fis[5] || c->fis[9] ||
	    (log != 0 && log != LOG_NCQ_ERROR))
		fail(c, ATA_ABORTED);
	else
		reply(c, log ? d->ncq_error : directory);
}

/* §7.45: transfer modes are all the same here; the read cache is the host's. */
static void set_features(struct ata_disk *d, struct ata_command *c)
{
	switch (c->fis[3]) {
	case 0x02:
		d->write_through = false;
		good(c);
		break;
	case 0x82: /* what is in it goes out */
		d->write_through = true;
		flush(d, c);
		break;
	case 0x03:
	case 0x55:
	case 0xaa:
		good(c);
		break;
	default:
		fail(c, ATA_ABORTED);
	}
}

/* ---- commands -------------------------------------------------------------------------------- */

static void pio(struct ata_disk *d, struct ata_command *c, bool ext, bool write)
{
	c->pio = true;
	c->out = write;
	transfer(d, c, ext, write, false);
}

static void execute_other(struct ata_disk *d, struct ata_command *c)
{
	switch (c->fis[2]) {
	case C_STANDBY_NOW:
	case C_STANDBY:
	case C_SLEEP:
	case C_FLUSH:
	case C_FLUSH_EXT:
		flush(d, c);
		break;
	case C_IDLE_NOW:
	case C_IDLE:
		good(c);
		break;
	case C_CHECK_POWER:
		good(c);
		c->reason = 0xff; /* active */
		break;
	case C_IDENTIFY:
		identify(d, c);
		break;
	case C_SET_FEATURES:
		set_features(d, c);
		break;
	case C_READ_LOG_EXT:
		read_log(d, c);
		break;
	default:
		fail(c, ATA_ABORTED);
	}
}

static void execute(struct ata_drive *drive, struct ata_command *c)
{
	struct ata_disk *d = of(drive);

	switch (c->fis[2]) {
	case C_READ_QUEUED:
	case C_WRITE_QUEUED:
		transfer_queued(d, c);
		break;
	case C_READ_DMA_EXT:
	case C_READ_DMA:
		transfer(d, c, c->fis[2] == C_READ_DMA_EXT, false, false);
		break;
	case C_WRITE_DMA_EXT:
	case C_WRITE_DMA_FUA:
	case C_WRITE_DMA:
		transfer(d, c, c->fis[2] != C_WRITE_DMA, true, c->fis[2] == C_WRITE_DMA_FUA);
		break;
	case C_READ:
	case C_READ + 1: /* without retries: the same since ATA-5 */
	case C_READ_EXT:
		pio(d, c, c->fis[2] == C_READ_EXT, false);
		break;
	case C_WRITE:
	case C_WRITE + 1:
	case C_WRITE_EXT:
		pio(d, c, c->fis[2] == C_WRITE_EXT, true);
		break;
	case C_VERIFY:
	case C_VERIFY + 1:
	case C_VERIFY_EXT:
		verify(d, c, c->fis[2] == C_VERIFY_EXT);
		break;
	case C_TRIM:
		trim(d, c);
		break;
	default:
		execute_other(d, c);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void save(struct ata_drive *drive, struct snap_out *out)
{
	struct block *b = drive->block;
	int r = b->ops->flush(b); /* what the state speaks of must be in the file */

	if (r < 0 && !out->error)
		out->error = r;
	snap_put_u8(out, of(drive)->write_through);
}

static void load(struct ata_drive *drive, struct snap_in *in)
{
	of(drive)->write_through = snap_u8(in);
}

static void free_disk(struct ata_drive *drive)
{
	struct ata_disk *d = of(drive);
	int r = drive->block->read_only ? 0 : drive->block->ops->flush(drive->block);

	if (r < 0 && d->problem)
		block_problem_report(d->problem, "flush", r);
	block_close(drive->block);
	free(d);
}

struct ata_drive *ata_disk_new(struct block *block, const char *serial,
			       struct block_problem *problem)
{
	static const struct ata_drive_ops ops = {.signature = 0x00000101,
						 .execute = execute,
						 .save = save,
						 .load = load,
						 .free = free_disk};
	struct ata_disk *d = calloc(1, sizeof(*d));

	if (!d) {
		block_close(block);
		return NULL;
	}
	d->drive = (struct ata_drive){.ops = &ops, .block = block};
	d->problem = problem;
	memcpy(d->serial, serial, strnlen(serial, SERIAL));
	return &d->drive;
}

void ata_drive_free(struct ata_drive *d)
{
	if (d)
		d->ops->free(d);
}

void ata_string(uint8_t *p, const char *s, size_t n)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < n; i++)
		p[i ^ 1] = i < len ? (uint8_t)s[i] : ' ';
}
