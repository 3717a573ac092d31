/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who answers a port or memory access that left the guest: a short table of platform devices, then
 * the PCI bus. Filled before the first vCPU runs and constant from then on, hence without a lock;
 * every device guards itself. Nobody's address reads all-ones and swallows writes.
 */
#ifndef PANE_VMM_IO_H
#define PANE_VMM_IO_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define VM_IO_RANGES 40

struct pci_bus;

/* offset is relative to the range; size 1, 2, 4 or 8 and offset + size within the range. On a read
 * *value arrives as all-ones. Runs on vCPU threads. */
typedef void (*vm_io_fn)(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

struct vm_io {
	struct {
		bool port;
		uint64_t addr, len;
		vm_io_fn fn;
		void *arg; /* borrowed */
	} range[VM_IO_RANGES];
	unsigned n;
	struct pci_bus *pci; /* borrowed, may be NULL */
};

/* -ENOSPC, or -EEXIST when it overlaps another range. */
int vm_io_add(struct vm_io *io, bool port, uint64_t addr, uint64_t len, vm_io_fn fn,
	      void *arg) must_check;
/* One access of size 1..8; a read leaves size bytes in *value. */
void vm_io_access(const struct vm_io *io, bool port, bool write, uint64_t addr, unsigned size,
		  uint64_t *value);

#endif
