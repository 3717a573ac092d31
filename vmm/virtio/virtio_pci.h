/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PCI transport (virtio 1.2 §4.1), modern only: one BAR with the common, ISR, device and
 * notification structures, MSI-X with a vector a queue and one for configuration, ioeventfd for
 * notifications. Only virtio.c calls this.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_PCI_H
#define PANE_VMM_VIRTIO_VIRTIO_PCI_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct pci_dev;
struct snap;
struct snap_out;
struct virtio_dev;

/* Another device in the same PCI function, in the BARs virtio leaves free: 0, 2 and 3. */
struct virtio_pci_mate {
	void *arg;
	int (*join)(void *arg, struct pci_dev *d); /* adds its BARs */
	/* A guest's access to one of them, on a vCPU thread under pci_lock(). */
	uint64_t (*read)(void *arg, unsigned bar, uint64_t offset, unsigned size);
	void (*write)(void *arg, unsigned bar, uint64_t offset, unsigned size, uint64_t value);
	void (*configured)(void *arg); /* configuration space was written */
	void (*save)(void *arg, struct snap_out *out);
	int (*load)(void *arg, const struct snap *s, struct err *e);
};

/* Puts d on d->env.pci. */
int virtio_pci_attach(struct virtio_dev *d, struct err *e) must_check;
/* Of a device in a slot of env's choice: it is complete, and the guest may find it. */
void virtio_pci_show(const struct virtio_dev *d);
/* Its slot on the bus. */
unsigned virtio_pci_slot(const struct virtio_dev *d);
/* Stops notifications; the guest's accesses must have ended (vCPUs stopped). */
void virtio_pci_detach(struct virtio_dev *d);

#endif
