/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ACPI tables for firmware to place: the tables with offsets where addresses go, and the script
 * that says what to allocate, which pointers to add to and which sums to make
 * (QEMU's BIOS linker-loader, as SeaBIOS and OVMF understand it).
 */
#ifndef PANE_VMM_BOOT_ACPI_LOADER_H
#define PANE_VMM_BOOT_ACPI_LOADER_H

#include <stdint.h>
#include "common/cleanup.h"

#define ACPI_GENERATION 16 /* bytes of a VM generation id */

struct acpi_machine;
struct fw_cfg;

/* Adds etc/table-loader, etc/acpi/tables, etc/acpi/rsdp, the VM generation id with the file that
 * firmware writes its address to, and with a TPM the room for its event log. */
int acpi_loader_add(struct fw_cfg *f, const struct acpi_machine *m,
		    const uint8_t generation[ACPI_GENERATION]) must_check;
/* Where firmware put the id; 0: nowhere yet. What it says is the guest's word. */
uint64_t acpi_loader_generation(struct fw_cfg *f) must_check;

#endif
