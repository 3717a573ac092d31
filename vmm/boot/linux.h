/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Puts a Linux kernel, its initrd, command line and boot_params into guest RAM and the boot
 * processor into the state the 64-bit boot protocol asks for
 * (Documentation/arch/x86/boot.rst, "64-bit boot protocol").
 */
#ifndef PANE_VMM_BOOT_LINUX_H
#define PANE_VMM_BOOT_LINUX_H

#include <linux/kvm.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct vm_mem;

struct linux_boot {
	int kernel, initrd;	 /* open files, borrowed; initrd -1 for none */
	const char *kernel_name; /* for messages */
	const char *initrd_name;
	const char *cmdline;
	uint64_t rsdp; /* address of the ACPI root pointer */
};

/* Loads everything; *entry is where the boot processor starts. Errors name the file. */
int linux_load(const struct vm_mem *ram, const struct linux_boot *boot, uint64_t *entry,
	       struct err *e) must_check;
/* Registers at entry; s as read from the fresh vCPU. Page tables and descriptors are in RAM. */
void linux_registers(struct kvm_sregs *s, struct kvm_regs *r, uint64_t entry);

#endif
