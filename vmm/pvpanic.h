/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pvpanic-pci (1b36:0011): one byte in a BAR by which a guest kernel says that it panicked.
 */
#ifndef PANE_VMM_PVPANIC_H
#define PANE_VMM_PVPANIC_H

#include "common/cleanup.h"
#include "vmm/pci.h"

struct pvpanic {
	struct pci_dev dev;
	void (*panicked)(void *arg);
	void *arg;
};

int pvpanic_add(struct pvpanic *p, struct pci_bus *bus, void (*panicked)(void *arg),
		void *arg) must_check;

#endif
