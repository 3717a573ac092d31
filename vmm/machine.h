/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine as its devices and main() see it: RAM, one PCI bus, the main loop, and the end.
 *
 * Threads: one per vCPU, and the main thread, which runs vm_loop() and every device's I/O
 * handlers. The loop_* calls belong to the main thread (except loop_post()).
 */
#ifndef PANE_VMM_MACHINE_H
#define PANE_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct loop;
struct pci_bus;
struct vm;
struct vm_mem;

enum vm_stop {
	VM_RUNNING,
	VM_POWEROFF,
	VM_RESET,
	VM_PANIC,
	VM_QUIT,
	VM_ERROR
};

/* Borrowed, valid as long as the machine. */
struct vm_mem *vm_ram(struct vm *vm);
struct pci_bus *vm_pci(struct vm *vm);
struct loop *vm_loop(struct vm *vm);

/* Any thread. vm_frame: the guest flushed a frame (counts for --ready frame). vm_ready: the guest
 * is ready for a user. Both only count the first time. */
void vm_frame(struct vm *vm);
void vm_ready(struct vm *vm);
/* Any thread: ends the machine; the first reason stands. fmt says more for VM_ERROR, else NULL. */
void vm_stop(struct vm *vm, enum vm_stop why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
