/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host's /dev/kvm: what it can do, one VM with in-kernel interrupt controllers and timer, its
 * vCPUs, and the question every start begins with: is guest code run by the processor, or
 * interpreted by the host kernel (a hundred times slower, no SSE, unfit for an operating system)?
 */
#ifndef PANE_VMM_KVM_H
#define PANE_VMM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define VM_CPUS_MAX 16

struct vm_mem;

enum vm_kvm_kind {
	VM_KVM_NONE,
	VM_KVM_INTERPRETED,
	VM_KVM_HARDWARE
};

struct vm_kvm {
	int sys, fd;	       /* /dev/kvm and the VM, owned; -1 while closed */
	size_t run_size;       /* bytes of each vCPU's shared page */
	size_t xsave_bytes;    /* of a vCPU's extended state */
	enum vm_kvm_kind kind; /* once vm_kvm_selftest() has run */
	bool hyperv;	       /* guests see Hyper-V's interface (hyperv.h) */
	bool vga_window; /* set between vm_kvm_open() and vm_kvm_create(): no RAM at VM_VGA_WINDOW
			  */
};

/* Memory slots. */
enum {
	VM_SLOT_LOW,
	VM_SLOT_HIGH,
	VM_SLOT_UPPER, /* low RAM above the VGA window, where there is one */
	VM_SLOT_ROM,
	VM_SLOT_FLASH,
	VM_SLOT_FRAMEBUFFER
};

/* Opens /dev/kvm and checks its API. The message names the remedy. */
int vm_kvm_open(struct vm_kvm *k, struct err *e) must_check;
/* Makes the VM: memory slots first, as after the irqchip each would cost a grace period. */
int vm_kvm_create(struct vm_kvm *k, const struct vm_mem *ram, struct err *e) must_check;
void vm_kvm_close(struct vm_kvm *k);
/* A vCPU and its shared page, both owned by the caller from then on. */
int vm_kvm_vcpu(struct vm_kvm *k, unsigned id, int *fd, struct kvm_run **run,
		struct err *e) must_check;
/* Times a loop on a fresh vCPU 0, using one page of RAM at 0x1000 that it clears again, and fills
 * k->kind. The vCPU's registers must be set afterwards. */
int vm_kvm_selftest(struct vm_kvm *k, int vcpu, struct kvm_run *run, const struct vm_mem *ram,
		    struct err *e) must_check;
/* Everything above on a throw-away VM: the kind, and in why a sentence for a person. */
enum vm_kvm_kind vm_kvm_probe(char *why, size_t n);
const char *vm_kvm_kind_name(enum vm_kvm_kind kind);
/* This host's processor is QEMU's emulation (TCG), which loses the interrupt shadow of sti. */
bool vm_kvm_host_emulated(void);

/* Maps host memory at gpa as slot; size 0 takes it away. flags are KVM_MEM_*. Any thread. */
int vm_kvm_slot(const struct vm_kvm *k, unsigned slot, uint64_t gpa, uint64_t size,
		const void *host, uint32_t flags) must_check;
/* Which pages of the slot were written since the last call: one bit each, whole 64-bit words. */
int vm_kvm_dirty(const struct vm_kvm *k, unsigned slot, uint64_t *bitmap) must_check;

/* Whether KVM logs which pages of RAM the guest writes (and KVM itself, for it). Main thread. */
int vm_kvm_log_ram(const struct vm_kvm *k, const struct vm_mem *ram, bool on) must_check;
/* Those since the last call, or since it was switched on: a bit for each page of RAM, regions one
 * after the other. Overwrites the bits of what the guest has as RAM. */
int vm_kvm_dirty_ram(const struct vm_kvm *k, const struct vm_mem *ram, uint64_t *pages) must_check;

void vm_kvm_irq(const struct vm_kvm *k, unsigned gsi, bool level);
int vm_kvm_msi(const struct vm_kvm *k, uint64_t address, uint32_t data);
int vm_kvm_eventfd(const struct vm_kvm *k, bool add, bool port, uint64_t addr, unsigned len,
		   int fd);

#endif
