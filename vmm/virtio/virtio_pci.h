/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PCI transport (virtio 1.2 §4.1), modern only: one BAR with the common, ISR, device and
 * notification structures, MSI-X with a vector a queue and one for configuration, ioeventfd for
 * notifications. Only virtio.c calls this.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_PCI_H
#define PANE_VMM_VIRTIO_VIRTIO_PCI_H

#include "common/cleanup.h"
#include "common/err.h"

struct virtio_dev;

/* Puts d on d->env.pci. */
int virtio_pci_attach(struct virtio_dev *d, struct err *e) must_check;
/* Its slot on the bus. */
unsigned virtio_pci_slot(const struct virtio_dev *d);
/* Stops notifications; the guest's accesses must have ended (vCPUs stopped). */
void virtio_pci_detach(struct virtio_dev *d);

#endif
