/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who a clone is. Its memory says it is the parent; what makes it somebody else comes by two
 * doors every guest has: the VM generation id (ACPI, vmm/boot/acpi.h), on which kernels reseed
 * their random numbers, and the identity disk, a disk of 4 KiB of zeros in the parent that becomes
 * 8 KiB in the clone. The driver sees its capacity change and tells the system (Linux: a change
 * event with RESIZE=1), which reads the text in the second 4 KiB, that no cache can hold from
 * before:
 *
 *   pane-identity 1
 *   hostname=office-7
 *   mac=52:54:00:12:34:56
 *   generation=32 hexadecimal digits
 *   seed=128 hexadecimal digits, from the host's random numbers
 *   time=seconds since 1970
 */
#ifndef PANE_VMM_SNAPSHOT_IDENTITY_H
#define PANE_VMM_SNAPSHOT_IDENTITY_H

#include <stdint.h>
#include "common/cleanup.h"

#define IDENTITY_DISK	  "pane-identity" /* serial number of the disk */
#define IDENTITY_BLANK	  4096		  /* bytes */
#define IDENTITY_BYTES	  8192
#define IDENTITY_NAME_MAX 63

struct block;

struct identity {
	char hostname[IDENTITY_NAME_MAX + 1];
	uint8_t mac[6];
	uint8_t generation[16];
	uint8_t seed[64];
	int64_t time_s;
};

/* Fresh random numbers and the time; the name is made fit for a host name. -EIO when the host has
 * no random numbers. */
int identity_make(struct identity *id, const char *name, const uint8_t mac[6]) must_check;
/* The text, zeros after it. */
void identity_text(const struct identity *id, char out[IDENTITY_BLANK]);

/* The disk: of IDENTITY_BLANK bytes, or of IDENTITY_BYTES that was filled before. NULL: no memory.
 */
struct block *identity_disk_new(uint64_t bytes) must_check;
/* Fills it; its size grows. While nobody reads. */
void identity_disk_fill(struct block *b, const struct identity *id);

#endif
