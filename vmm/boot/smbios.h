/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the machine is called and made of, for systems that ask (systemd, cloud-init, Windows):
 * SMBIOS tables (DMTF DSP0134 2.8). A kernel booted directly finds them in memory at SMBIOS_AT;
 * firmware gets them without type 0, in which it speaks of itself, and puts them where it likes.
 */
#ifndef PANE_VMM_BOOT_SMBIOS_H
#define PANE_VMM_BOOT_SMBIOS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define SMBIOS_AT     0xf0000u /* §5.2: systems look from here to 0xfffff, at every 16th byte */
#define SMBIOS_ENTRY  31       /* bytes of the entry point */
#define SMBIOS_TABLES 8192     /* bytes that are enough for any machine of ours */

struct fw_cfg;
struct vm_mem;

struct smbios {
	const char *
		name; /* of the desktop: the system's serial number, and what its UUID is made of */
	unsigned cpus;
	const struct vm_mem *ram;
	bool firmware; /* the firmware adds type 0 */
};

struct smbios_size {
	uint32_t bytes;
	uint16_t structures, largest; /* bytes of the largest */
};

/* Writes the structures to out, SMBIOS_TABLES bytes; -ENOSPC. */
int smbios_build(uint8_t *out, const struct smbios *s, struct smbios_size *size) must_check;
/* Writes the entry point of tables that lie at `at`. */
void smbios_entry(uint8_t out[SMBIOS_ENTRY], const struct smbios_size *size, uint32_t at);
/* Entry point and tables into guest memory. */
int smbios_write(const struct smbios *s) must_check;
/* The same as the files SeaBIOS and OVMF look for. */
int smbios_offer(struct fw_cfg *f, const struct smbios *s) must_check;

#endif
