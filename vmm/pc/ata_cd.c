/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A CD drive. What a command may move is bounded three times: by the disc, by the allocation
 * length it names, and by the guest's scatter list.
 */
#include "vmm/pc/ata.h"

#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"

enum {
	SECTOR = 2048,
	REPLY_MAX = 512
};
enum {
	C_DEVICE_RESET = 0x08,
	C_PACKET = 0xa0,
	C_IDENTIFY_PACKET = 0xa1,
	C_STANDBY_NOW = 0xe0,
	C_CHECK_POWER = 0xe5,
	C_SLEEP = 0xe6,
	C_FLUSH = 0xe7,
	C_IDENTIFY = 0xec,
	C_SET_FEATURES = 0xef
};
enum {
	REASON_COMMAND = 1,
	REASON_IN = 2
};
enum {
	NO_SENSE = 0,
	MEDIUM_ERROR = 3,
	ILLEGAL_REQUEST = 5,
	INVALID_COMMAND = 0x20,
	OUT_OF_RANGE = 0x21,
	INVALID_FIELD = 0x24,
	UNRECOVERED = 0x11
};

struct ata_cd {
	struct ata_drive drive;
	uint8_t key, code; /* sense of the last command that failed */
	bool locked;
	uint8_t buffer[ATA_CHUNK];
};

static struct ata_cd *of(struct ata_drive *d)
{
	return (struct ata_cd *)(void *)d;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void good(struct ata_command *c)
{
	c->status = ATA_READY | ATA_SEEK;
	c->error = 0;
	c->reason = REASON_COMMAND | REASON_IN;
}

static void aborted(struct ata_command *c)
{
	c->status = ATA_READY | ATA_SEEK | ATA_ERROR;
	c->error = ATA_ABORTED;
}

/* A packet command failed: the sense is asked for by the next one. */
static void check(struct ata_cd *d, struct ata_command *c, uint8_t key, uint8_t code)
{
	d->key = key;
	d->code = code;
	c->status = ATA_READY | ATA_SEEK | ATA_ERROR;
	c->error = (uint8_t)(key << 4 | ATA_ABORTED);
	c->reason = REASON_COMMAND | REASON_IN;
}

static void reply(struct ata_command *c, const uint8_t *p, size_t n, size_t allocated)
{
	(void)ata_list_put(&c->list, p, n < allocated ? n : allocated);
}

static uint32_t sectors(const struct ata_cd *d)
{
	uint64_t n = d->drive.block->size / SECTOR;

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* ---- packet commands ------------------------------------------------------------------------- */

static void request_sense(struct ata_cd *d, struct ata_command *c)
{
	uint8_t r[18] = {0x70, 0, d->key, 0, 0, 0, 0, 10, 0, 0, 0, 0, d->code};

	reply(c, r, sizeof(r), c->packet[4]);
	d->key = d->code = 0;
}

static void inquiry(struct ata_command *c)
{
	uint8_t r[36] = {5, 0x80, 5, 0x32, 31};

	memcpy(r + 8, "PANE    CD-ROM          1.0 ", 28);
	reply(c, r, sizeof(r), get_be16(c->packet + 3));
}

static void read_capacity(struct ata_cd *d, struct ata_command *c)
{
	uint8_t r[8];

	put_be32(r, sectors(d) ? sectors(d) - 1 : 0);
	put_be32(r + 4, SECTOR);
	reply(c, r, sizeof(r), sizeof(r));
}

static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
	if (!msf) {
		put_be32(p, lba);
		return;
	}
	lba += 150;
	p[0] = 0;
	p[1] = (uint8_t)(lba / 75 / 60);
	p[2] = (uint8_t)(lba / 75 % 60);
	p[3] = (uint8_t)(lba % 75);
}

/* One data track, and the lead-out (MMC-6 §6.25). */
static void read_toc(struct ata_cd *d, struct ata_command *c)
{
	bool msf = c->packet[1] & 2;
	uint8_t format = c->packet[2] & 15, r[20] = {0, 18, 1, 1, 0, 0x14, 1};

	if (!format)
		format = c->packet[9] >> 6;
	if (format == 1) { /* sessions: one */
		r[1] = 10;
		put_address(r + 8, 0, msf);
		reply(c, r, 12, get_be16(c->packet + 7));
		return;
	}
	if (format != 0) {
		check(d, c, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	put_address(r + 8, 0, msf);
	r[13] = 0x14;
	r[14] = 0xaa;
	put_address(r + 16, sectors(d), msf);
	if (c->packet[6] > 1) { /* only the lead-out */
		r[1] = 10;
		memmove(r + 4, r + 12, 8);
	}
	reply(c, r, (size_t)r[1] + 2, get_be16(c->packet + 7));
}

/* Profiles DVD-ROM and CD-ROM, the core and removable-medium features (MMC-6 §5, §6.5). */
static void get_configuration(struct ata_cd *d, struct ata_command *c)
{
	static const uint8_t features[] = {
		0, 0, 3,   8, 0,    0x10, 0, 0, 0, 8, 0, 0, /* profile list */
		0, 1, 0xb, 8, 0,    0,	  0, 8, 1, 0, 0, 0, /* core: SATA */
		0, 3, 3,   4, 0x29, 0,	  0, 0};	    /* removable: tray */
	uint8_t r[8 + sizeof(features)];
	bool dvd = sectors(d) > 450000; /* more than a CD holds */

	put_be32(r, sizeof(r) - 4);
	put_be32(r + 4, dvd ? 0x10 : 8);
	memcpy(r + 8, features, sizeof(features));
	r[8 + (dvd ? 6 : 10)] = 1; /* the current profile */
	reply(c, r, sizeof(r), get_be16(c->packet + 7));
}

static void event_status(struct ata_cd *d, struct ata_command *c)
{
	uint8_t r[8] = {0, 6, 4, 0x10, 0, 2 /* medium present */};

	if (!(c->packet[1] & 1)) /* only polled answers */
		check(d, c, ILLEGAL_REQUEST, INVALID_FIELD);
	else if (!(c->packet[4] & 0x10)) {
		r[1] = 2;
		r[2] = 0x80; /* no such class */
		reply(c, r, 4, get_be16(c->packet + 7));
	} else {
		reply(c, r, sizeof(r), get_be16(c->packet + 7));
	}
}

static void disc_information(struct ata_command *c)
{
	uint8_t r[34] = {0, 32, 0x0e /* finalised, complete */, 1, 1, 1, 1, 0x20};

	reply(c, r, sizeof(r), get_be16(c->packet + 7));
}

/* Capabilities page 0x2a and error recovery page 1 (MMC-6 §7). */
static void mode_sense(struct ata_cd *d, struct ata_command *c)
{
	uint8_t page = c->packet[2] & 0x3f, r[8 + 8 + 20] = {0};
	size_t n = 8;

	if (page == 1 || page == 0x3f) {
		r[n] = 1;
		r[n + 1] = 6;
		n += 8;
	}
	if (page == 0x2a || page == 0x3f) {
		r[n] = 0x2a;
		r[n + 1] = 18;
		r[n + 4] = 0x70; /* multi session, mode 2 forms */
		r[n + 6] = (uint8_t)(0x29 | (d->locked ? 2 : 0));
		put_be16(r + n + 8, 706 * 10);
		put_be16(r + n + 14, 706 * 10);
		n += 20;
	}
	if (n == 8) {
		check(d, c, ILLEGAL_REQUEST, INVALID_FIELD);
		return;
	}
	put_be16(r, (uint16_t)(n - 2));
	reply(c, r, n, get_be16(c->packet + 7));
}

static void read_sectors(struct ata_cd *d, struct ata_command *c, uint32_t lba, uint32_t n)
{
	if (lba > sectors(d) || n > sectors(d) - lba) {
		check(d, c, ILLEGAL_REQUEST, OUT_OF_RANGE);
		return;
	}

	uint64_t at = (uint64_t)lba * SECTOR, left = (uint64_t)n * SECTOR;

	while (left) {
		size_t part = left < ATA_CHUNK ? left : ATA_CHUNK;
		struct iovec v = {.iov_base = d->buffer, .iov_len = part};

		if (d->drive.block->ops->readv(d->drive.block, &v, 1, at) < 0) {
			check(d, c, MEDIUM_ERROR, UNRECOVERED);
			return;
		}
		if (ata_list_put(&c->list, d->buffer, part) < part)
			return; /* the host has no room for more: nor does it want more */
		at += part;
		left -= part;
	}
}

/* READ CD: user data of mode 1 sectors only (MMC-6 §6.17). */
static void read_cd(struct ata_cd *d, struct ata_command *c)
{
	const uint8_t *p = c->packet;
	uint32_t n = get_be32(p + 5) & 0xffffff;

	if ((p[9] & 0xf8) == 0x10)
		read_sectors(d, c, get_be32(p + 2), n);
	else if ((p[9] & 0xf8) != 0)
		check(d, c, ILLEGAL_REQUEST, INVALID_FIELD);
}

static void packet(struct ata_cd *d, struct ata_command *c)
{
	const uint8_t *p = c->packet;

	good(c);
	c->pio = !(c->fis[3] & 1);
	switch (p[0]) {
	case 0x00: /* TEST UNIT READY */
	case 0x1b: /* START STOP UNIT: the disc stays */
	case 0x2b: /* SEEK */
	case 0xbb: /* SET CD SPEED */
		break;
	case 0x03:
		request_sense(d, c);
		return; /* sense is kept by no other command than the one that failed */
	case 0x12:
		inquiry(c);
		break;
	case 0x1e: /* PREVENT ALLOW MEDIUM REMOVAL */
		d->locked = p[4] & 1;
		break;
	case 0x25:
		read_capacity(d, c);
		break;
	case 0x28:
		read_sectors(d, c, get_be32(p + 2), get_be16(p + 7));
		break;
	case 0xa8:
		read_sectors(d, c, get_be32(p + 2), get_be32(p + 6));
		break;
	case 0x43:
		read_toc(d, c);
		break;
	case 0x46:
		get_configuration(d, c);
		break;
	case 0x4a:
		event_status(d, c);
		break;
	case 0x51:
		disc_information(c);
		break;
	case 0x5a:
		mode_sense(d, c);
		break;
	case 0xbe:
		read_cd(d, c);
		break;
	default:
		check(d, c, ILLEGAL_REQUEST, INVALID_COMMAND);
	}
}

/* ---- ATA commands ---------------------------------------------------------------------------- */

/* ATA8-ACS §7.17. */
static void identify_packet(struct ata_command *c)
{
	uint8_t r[REPLY_MAX] = {0};

	put_le16(r, 0x85c0); /* ATAPI, CD, removable, 12-byte packets */
	ata_string(r + 20, "PANE-CD", 20);
	ata_string(r + 46, "1.0", 8);
	ata_string(r + 54, "PANE CD-ROM", 40);
	put_le16(r + 98, 0x0f00);  /* IORDY, LBA, DMA */
	put_le16(r + 106, 6);	   /* words 64..70 and 88 are valid */
	put_le16(r + 126, 0x0407); /* multiword DMA 2 */
	put_le16(r + 128, 3);
	for (unsigned i = 65; i <= 68; i++)
		put_le16(r + 2 * i, 120);
	put_le16(r + 152, 2);	   /* SATA generation 1 */
	put_le16(r + 160, 0x00f0); /* ATA/ATAPI-4 to 7 */
	put_le16(r + 164, 0x4010); /* PACKET */
	put_le16(r + 166, 0x4000);
	put_le16(r + 168, 0x4000);
	put_le16(r + 170, 0x4010);
	put_le16(r + 174, 0x4000);
	put_le16(r + 176, 0x203f); /* Ultra DMA 5 */
	good(c);
	c->pio = true;
	reply(c, r, sizeof(r), sizeof(r));
}

static void execute(struct ata_drive *drive, struct ata_command *c)
{
	struct ata_cd *d = of(drive);

	switch (c->fis[2]) {
	case C_PACKET:
		packet(d, c);
		break;
	case C_IDENTIFY_PACKET:
		identify_packet(c);
		break;
	case C_DEVICE_RESET:
		d->key = d->code = NO_SENSE;
		good(c);
		c->error = 1;
		break;
	case C_STANDBY_NOW:
	case C_STANDBY_NOW + 1:
	case C_STANDBY_NOW + 2:
	case C_STANDBY_NOW + 3:
	case C_SLEEP:
	case C_FLUSH:
	case C_SET_FEATURES:
		good(c);
		break;
	case C_CHECK_POWER:
		good(c);
		c->reason = 0xff; /* active */
		break;
	default: /* IDENTIFY DEVICE too: that is how an ATAPI device is told */
		aborted(c);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void save(struct ata_drive *drive, struct snap_out *out)
{
	const struct ata_cd *d = of(drive);

	snap_put_u8(out, d->key);
	snap_put_u8(out, d->code);
	snap_put_u8(out, d->locked);
}

static void load(struct ata_drive *drive, struct snap_in *in)
{
	struct ata_cd *d = of(drive);

	d->key = snap_u8(in);
	d->code = snap_u8(in);
	d->locked = snap_u8(in);
}

static void free_cd(struct ata_drive *drive)
{
	block_close(drive->block);
	free(of(drive));
}

struct ata_drive *ata_cd_new(struct block *disc)
{
	static const struct ata_drive_ops ops = {.signature = 0xeb140101,
						 .atapi = true,
						 .execute = execute,
						 .save = save,
						 .load = load,
						 .free = free_cd};
	struct ata_cd *d = calloc(1, sizeof(*d));

	if (!d) {
		block_close(disc);
		return NULL;
	}
	d->drive = (struct ata_drive){.ops = &ops, .block = disc};
	return &d->drive;
}
