/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Between pci.c, pci_msix.c and pci_state.c only. All but pci_msix_fini() are called with the bus
 * lock held.
 */
#ifndef PANE_VMM_PCI_INTERNAL_H
#define PANE_VMM_PCI_INTERNAL_H

#include "vmm/pci.h"

struct pci_bus {
	pthread_mutex_t lock; /* guards everything below and the devices' pci.c fields */
	struct pci_host host;
	struct pci_dev *dev[PCI_SLOTS]; /* borrowed from their owners */
	uint64_t next_mem, next_port;	/* where the next BAR goes */
};

/* After cfg[] was written: addresses and decoding of the BARs. */
void pci_bars_rescan(struct pci_dev *d);
/* Registers and unregisters d's eventfds so that they match its mapped BARs. */
void pci_eventfds_follow(struct pci_dev *d);
/* Re-reads the MSI-X control word after a configuration write. */
void pci_msix_rescan(struct pci_dev *d);
void pci_msix_access(struct pci_dev *d, bool write, uint64_t offset, unsigned size,
		     uint64_t *value);
void pci_msix_reset(struct pci_dev *d);
void pci_msix_fini(struct pci_dev *d);

#endif
