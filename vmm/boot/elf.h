/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Kernels that are ELF files: those with a PVH entry (Xen note 18, xen/include/public/arch-x86/hvm/
 * start_info.h; an uncompressed Linux has one) and those with a Multiboot 1 header (Multiboot
 * 0.6.96 §3; test kernels have one). Both start in 32-bit protected mode without paging.
 */
#ifndef PANE_VMM_BOOT_ELF_H
#define PANE_VMM_BOOT_ELF_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/boot/linux.h"

struct vm_mem;

struct elf_entry {
	bool multiboot; /* else PVH */
	uint32_t at;
};

/* Whether the file behind fd begins like an ELF file. */
bool elf_is(int fd) must_check;
/* Loads kernel, initrd (as the first module), command line and what the entry is told. */
int elf_load(const struct vm_mem *ram, const struct linux_boot *boot, struct elf_entry *entry,
	     struct err *e) must_check;
/* s as read from the fresh vCPU. */
void elf_registers(struct kvm_sregs *s, struct kvm_regs *r, const struct elf_entry *entry);

#endif
