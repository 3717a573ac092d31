/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dispatch of port and memory accesses. An access that straddles the end of a range is treated as
 * nobody's: real buses split it, no driver we boot relies on that. Any vCPU thread, no lock.
 */
#include "vmm/io.h"

#include <errno.h>
#include "common/wire.h"
#include "vmm/pci.h"

int vm_io_add(struct vm_io *io, bool port, uint64_t addr, uint64_t len, vm_io_fn fn, void *arg)
{
	if (io->n == VM_IO_RANGES)
		return -ENOSPC;
	for (unsigned i = 0; i < io->n; i++)
		if (io->range[i].port == port && addr < io->range[i].addr + io->range[i].len &&
		    io->range[i].addr < addr + len)
			return -EEXIST;
	io->range[io->n].port = port;
	io->range[io->n].addr = addr;
	io->range[io->n].len = len;
	io->range[io->n].fn = fn;
	io->range[io->n].arg = arg;
	io->n++;
	return 0;
}

void vm_io_access(const struct vm_io *io, bool port, bool write, uint64_t addr, unsigned size,
		  uint64_t *value)
{
	if (!write)
		*value = ~0ull;
	for (unsigned i = 0; i < io->n; i++) {
		uint64_t at = addr - io->range[i].addr;

		if (io->range[i].port == port && addr >= io->range[i].addr &&
		    range_ok(at, size, io->range[i].len)) {
			io->range[i].fn(io->range[i].arg, write, at, size, value);
			return;
		}
	}
	if (io->pci)
		(void)pci_access(io->pci, port, write, addr, size, value);
}
