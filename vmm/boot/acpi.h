/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ACPI tables: RSDP, XSDT, FADT, FACS, MADT, MCFG, TPM2, DSDT, written into the reserved memory
 * at ACPI_AT. Full fixed hardware (ACPI 6.4 §4.8), as drivers for the reduced kind are not
 * everywhere.
 */
#ifndef PANE_VMM_BOOT_ACPI_H
#define PANE_VMM_BOOT_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define ACPI_AT	  0xe0000u
#define ACPI_ROOM 0x10000u
/* Where the id lies in its page: at its start it could be taken for a table (QEMU
 * docs/specs/vmgenid.rst). */
#define ACPI_GENERATION_OFFSET 40u
#define ACPI_TPM2_LOG	       68u /* in its table: where the firmware's event log is, 8 bytes */

struct vm_mem;

struct acpi_machine {
	unsigned cpus; /* with APIC ids from 0 on */
	bool tpm;      /* vmm/pc/tpm.h */
};

/* *rsdp gets the root pointer's address. */
int acpi_write(const struct vm_mem *ram, const struct acpi_machine *m, uint64_t *rsdp) must_check;
/* Where the tables lie in their buffer, for whoever moves them. */
struct acpi_layout {
	uint32_t facs, dsdt, fadt, madt, mcfg, xsdt, rsdp;
	uint32_t tpm2;	     /* 0: there is no TPM */
	uint32_t entries;    /* tables the XSDT points at */
	uint32_t generation; /* of a PC: 4 bytes in the DSDT that are to say where its VM generation
				id is, ACPI_GENERATION_OFFSET meanwhile */
	uint32_t end;
};

/* Tables of a PC for firmware to place (acpi_loader.h): addresses in them are offsets. */
int acpi_build_pc(uint8_t *out, const struct acpi_machine *m, struct acpi_layout *l) must_check;
/* The same into a buffer of ACPI_ROOM bytes that stands for ACPI_AT, for tests. */
int acpi_build(uint8_t *out, const struct acpi_machine *m, uint64_t *rsdp) must_check;

#endif
