/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ACPI tables for firmware to place: the tables with offsets where addresses go, and the script
 * that says what to allocate, which pointers to add to and which sums to make
 * (QEMU's BIOS linker-loader, as SeaBIOS and OVMF understand it).
 */
#ifndef PANE_VMM_BOOT_ACPI_LOADER_H
#define PANE_VMM_BOOT_ACPI_LOADER_H

#include "common/cleanup.h"

struct fw_cfg;

/* Adds etc/table-loader, etc/acpi/tables and etc/acpi/rsdp. */
int acpi_loader_add(struct fw_cfg *f, unsigned cpus) must_check;

#endif
