/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What firmware must recognise before it will start: a Q35 memory controller (8086:29c0) in slot 0
 * and an ICH9 LPC bridge (8086:2918) in slot 31, as far as SeaBIOS and OVMF program them. The
 * registers are there to be written and read back; nothing in the machine moves by them.
 */
#ifndef PANE_VMM_PC_Q35_H
#define PANE_VMM_PC_Q35_H

#include "common/cleanup.h"
#include "vmm/pci.h"

struct vm_io;

struct q35 {
	struct pci_dev lpc;
	uint32_t smi_en; /* atomic */
};

/* bridge is the host bridge, already on the bus: it becomes the memory controller. */
int q35_add(struct q35 *q, struct pci_bus *bus, struct pci_dev *bridge,
	    struct vm_io *io) must_check;

#endif
