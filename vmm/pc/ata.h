/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Drives behind the AHCI controller: a CD drive with a disc in it (ATAPI: ATA8-ACS, SPC-4, MMC-6).
 * A drive executes one command at a time, on the controller's worker thread, and moves data
 * through the scatter list it is given.
 */
#ifndef PANE_VMM_PC_ATA_H
#define PANE_VMM_PC_ATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define ATA_FIS	   64
#define ATA_PACKET 16
#define ATA_CHUNK  (64u << 10) /* bytes read from the disc at once */

struct block;
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
	uint32_t moved; /* bytes so far */
};

struct ata_command {
	uint8_t fis[ATA_FIS], packet[ATA_PACKET];
	struct ata_list list;
	/* the answer */
	uint8_t status, error, reason; /* reason: the sector count register of an ATAPI device */
	bool pio;		       /* data went by PIO: the host expects a PIO Setup FIS */
};

struct ata_cd {
	struct block *disc; /* owned; its size is the disc's */
	uint8_t key, code;  /* sense of the last command that failed */
	bool locked;
	uint8_t buffer[ATA_CHUNK];
};

/* Copies n bytes to the guest after what has been moved so far: how many had room. */
size_t ata_list_put(struct ata_list *l, const void *bytes, size_t n);
void ata_cd_execute(struct ata_cd *d, struct ata_command *c);

#endif
