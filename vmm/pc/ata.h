/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Drives behind the AHCI controller: a CD drive with a disc in it (ata_cd.c: ATAPI, ATA8-ACS,
 * SPC-4, MMC-6) and a disk (ata_disk.c: ACS-3). A drive executes one command at a time, on its
 * port's worker thread, and moves data through the scatter list it is given.
 */
#ifndef PANE_VMM_PC_ATA_H
#define PANE_VMM_PC_ATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "common/cleanup.h"

#define ATA_FIS	   64
#define ATA_PACKET 16
#define ATA_CHUNK  (64u << 10) /* bytes read from the disc at once */

struct block;
struct block_problem;
struct snap_in;
struct snap_out;
struct vm_mem;

enum {
	ATA_BUSY = 0x80,
	ATA_READY = 0x40,
	ATA_SEEK = 0x10,
	ATA_DRQ = 0x08,
	ATA_ERROR = 0x01,
	ATA_ABORTED = 0x04 /* in the error register */
};

/* Where data goes, as the guest wrote it (AHCI 1.3.1 §4.2.3.3): copied in entry by entry. */
struct ata_list {
	const struct vm_mem *mem; /* borrowed */
	uint64_t table;
	unsigned entries;
	uint32_t moved;	    /* bytes so far */
	unsigned entry;	    /* that is next, */
	uint32_t entry_off; /* from here on */
};

struct ata_command {
	uint8_t fis[ATA_FIS], packet[ATA_PACKET];
	struct ata_list list;
	/* the answer */
	uint8_t status, error, reason; /* reason: the sector count register of an ATAPI device */
	bool pio;		       /* data went by PIO: the host expects a PIO Setup FIS */
	bool out;		       /* and came from the host */
};

struct ata_drive;

struct ata_drive_ops {
	uint32_t signature; /* count, LBA low, mid, high: least significant byte first */
	bool atapi;
	void (*execute)(struct ata_drive *d, struct ata_command *c);
	/* What it remembers between commands, while it executes none. */
	void (*save)(struct ata_drive *d, struct snap_out *out);
	void (*load)(struct ata_drive *d, struct snap_in *in);
	void (*free)(struct ata_drive *d);
};

struct ata_drive {
	const struct ata_drive_ops *ops;
	struct block *block; /* owned; its size is the medium's */
};

/* Both own the block from now on, also on failure, which is NULL: out of memory. */
struct ata_drive *ata_cd_new(struct block *disc) must_check;
/* serial: at most 20 characters. problem is told what the file below fails with; borrowed, NULL is
 * fine. */
struct ata_drive *ata_disk_new(struct block *block, const char *serial,
			       struct block_problem *problem) must_check;
void ata_drive_free(struct ata_drive *d); /* flushes what can be written to; NULL is fine */
/* ATA strings: two characters a word, the first one high. */
void ata_string(uint8_t *p, const char *s, size_t n);

/* ---- the scatter list (ata_list.c) ----------------------------------------------------------- */

/* Copies n bytes to the guest after what has been moved so far: how many had room. */
size_t ata_list_put(struct ata_list *l, const void *bytes, size_t n);
/* The other way: how many there were. */
size_t ata_list_get(struct ata_list *l, void *bytes, size_t n);
/* The next bytes, at most most of them, in place: a multiple of unit, as n pieces of the at most
 * ATA_PIECES. 0 when the list has no more whole unit. unit is at most ATA_PIECES. */
#define ATA_PIECES 256
size_t ata_list_take(struct ata_list *l, size_t most, size_t unit, struct iovec *iov, int *n);

#endif
