/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PCI host bridge: slot 0, and the two doors to configuration space, ports 0xCF8/0xCFC and
 * ECAM. The reset register 0xCF9 lies inside the first door, so byte accesses to it are passed on.
 */
#ifndef PANE_VMM_HOST_BRIDGE_H
#define PANE_VMM_HOST_BRIDGE_H

#include <pthread.h>
#include "common/cleanup.h"
#include "vmm/io.h"
#include "vmm/pci.h"

struct host_bridge {
	struct pci_dev dev;
	struct pci_bus *bus; /* borrowed */
	uint32_t address;    /* 0xCF8, atomic */
	vm_io_fn reset;
	void *reset_arg; /* borrowed */
};

int host_bridge_add(struct host_bridge *h, struct pci_bus *bus, struct vm_io *io, vm_io_fn reset,
		    void *reset_arg) must_check;

#endif
