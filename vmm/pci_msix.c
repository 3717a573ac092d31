/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MSI-X (PCI 3.0 §6.8.2) and eventfds in BARs. The vector table lives in a BAR of its own: table at
 * 0, pending bits at 2048. Guest writes to it arrive on vCPU threads under the bus lock; signals
 * come from any thread: msix.lock guards the table, and the message is sent after it is released.
 */
#include "vmm/pci.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/pci_internal.h"

enum {
	PBA_OFFSET = 2048,
	MSIX_BAR_BYTES = 4096
};
enum {
	CAP_MSIX = 0x11,
	CTL_MASK_ALL = 0x4000,
	CTL_ENABLE = 0x8000,
	VECTOR_MASKED = 1
};

int pci_msix_add(struct pci_dev *d, unsigned n, unsigned vectors)
{
	uint8_t cap[12] = {CAP_MSIX}, writable[12] = {0};
	struct pci_msix *x = &d->msix;

	if (!vectors || vectors > PCI_MSIX_MAX || x->vectors)
		return -EINVAL;

	int r = pci_bar_add(d, n, PCI_BAR_MEM32, MSIX_BAR_BYTES);

	if (r < 0)
		return r;
	put_le16(cap + 2, (uint16_t)(vectors - 1));
	put_le16(writable + 2, CTL_ENABLE | CTL_MASK_ALL);
	put_le32(cap + 4, n);
	put_le32(cap + 8, PBA_OFFSET | n);

	int at = pci_cap_add(d, cap, writable, sizeof(cap));

	if (at < 0)
		return at;
	x->table = calloc(vectors, sizeof(*x->table));
	if (!x->table)
		return -ENOMEM;
	for (unsigned i = 0; i < vectors; i++)
		x->table[i][12] = VECTOR_MASKED;
	pthread_mutex_init(&x->lock, NULL);
	x->vectors = vectors;
	x->bar = n;
	x->cap = (unsigned)at;
	return 0;
}

void pci_msix_fini(struct pci_dev *d)
{
	if (!d->msix.vectors)
		return;
	pthread_mutex_destroy(&d->msix.lock);
	free(d->msix.table);
	memset(&d->msix, 0, sizeof(d->msix));
}

static bool vector_masked(const struct pci_msix *x, unsigned v)
{
	return x->masked || (x->table[v][12] & VECTOR_MASKED);
}

static int send_msi(struct pci_dev *d, uint64_t address, uint32_t data)
{
	const struct pci_host *h = &d->bus->host;

	return h->msi ? h->msi(h->arg, address, data) : 0;
}

int pci_msix_signal(struct pci_dev *d, unsigned v)
{
	struct pci_msix *x = &d->msix;
	uint64_t address = 0;
	uint32_t data = 0;
	int r = 0;
	bool send = false;

	if (v >= x->vectors || !d->bus)
		return -EINVAL;
	pthread_mutex_lock(&x->lock);
	if (!x->enabled) {
		r = -ENXIO;
	} else if (vector_masked(x, v)) {
		x->pending[v / 8] |= (uint8_t)(1 << v % 8);
	} else {
		address = get_le64(x->table[v]);
		data = get_le32(x->table[v] + 8);
		send = true;
	}
	pthread_mutex_unlock(&x->lock);
	return send ? send_msi(d, address, data) : r;
}

bool pci_msix_enabled(struct pci_dev *d)
{
	return d->msix.vectors && __atomic_load_n(&d->msix.enabled, __ATOMIC_ACQUIRE);
}

/* Sends what became pending while masked and no longer is. */
static void flush_pending(struct pci_dev *d)
{
	struct pci_msix *x = &d->msix;

	for (unsigned v = 0; v < x->vectors; v++) {
		pthread_mutex_lock(&x->lock);

		uint8_t bit = (uint8_t)(1 << v % 8);
		bool send = (x->pending[v / 8] & bit) && x->enabled && !vector_masked(x, v);
		uint64_t address = get_le64(x->table[v]);
		uint32_t data = get_le32(x->table[v] + 8);

		if (send)
			x->pending[v / 8] &= (uint8_t)~bit;
		pthread_mutex_unlock(&x->lock);
		if (send)
			(void)send_msi(d, address, data);
	}
}

void pci_msix_rescan(struct pci_dev *d)
{
	struct pci_msix *x = &d->msix;

	if (!x->vectors)
		return;

	uint16_t ctl = get_le16(d->cfg + x->cap + 2);
	bool enabled = ctl & CTL_ENABLE, masked = ctl & CTL_MASK_ALL;

	if (enabled == x->enabled && masked == x->masked)
		return;
	pthread_mutex_lock(&x->lock);
	__atomic_store_n(&x->enabled, enabled, __ATOMIC_RELEASE);
	x->masked = masked;
	pthread_mutex_unlock(&x->lock);
	flush_pending(d);
}

void pci_msix_access(struct pci_dev *d, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct pci_msix *x = &d->msix;
	uint8_t *at = NULL;

	pthread_mutex_lock(&x->lock);
	if (range_ok(offset, size, x->vectors * 16ull))
		at = (uint8_t *)x->table + offset;
	else if (!write && offset >= PBA_OFFSET &&
		 range_ok(offset - PBA_OFFSET, size, sizeof(x->pending)))
		at = x->pending + (offset - PBA_OFFSET);
	if (write && at && size >= 4) {
		memcpy(at, value, size);
	} else if (!write) {
		*value = 0;
		if (at)
			memcpy(value, at, size);
	}
	pthread_mutex_unlock(&x->lock);
	if (write)
		flush_pending(d);
}

void pci_msix_reset(struct pci_dev *d)
{
	struct pci_msix *x = &d->msix;

	if (!x->vectors)
		return;
	pthread_mutex_lock(&x->lock);
	memset(x->table, 0, x->vectors * sizeof(*x->table));
	for (unsigned i = 0; i < x->vectors; i++)
		x->table[i][12] = VECTOR_MASKED;
	memset(x->pending, 0, sizeof(x->pending));
	x->enabled = x->masked = false;
	put_le16(d->cfg + x->cap + 2, (uint16_t)(x->vectors - 1));
	pthread_mutex_unlock(&x->lock);
}

/* ---- eventfds ------------------------------------------------------------------------------- */

static void arm(struct pci_dev *d, struct pci_eventfd *f)
{
	const struct pci_host *h = &d->bus->host;
	const struct pci_bar *bar = &d->bar[f->bar];
	uint64_t addr = bar->addr + f->offset;
	bool port = bar->kind == PCI_BAR_IO;

	if (f->armed && (!bar->mapped || f->addr != addr)) {
		(void)h->eventfd(h->arg, false, port, f->addr, f->len, f->fd);
		f->armed = false;
	}
	if (bar->mapped && !f->armed && h->eventfd(h->arg, true, port, addr, f->len, f->fd) == 0) {
		f->armed = true;
		f->addr = addr;
	}
}

void pci_eventfds_follow(struct pci_dev *d)
{
	if (!d->bus || !d->bus->host.eventfd)
		return;
	for (unsigned i = 0; i < d->eventfds; i++)
		arm(d, &d->eventfd[i]);
}

int pci_bar_eventfd(struct pci_dev *d, unsigned n, uint64_t offset, unsigned len, int fd)
{
	if (!d->bus || n >= PCI_BARS || d->bar[n].kind == PCI_BAR_NONE || fd < 0 ||
	    !range_ok(offset, len, d->bar[n].size) ||
	    (len != 1 && len != 2 && len != 4 && len != 8))
		return -EINVAL;
	if (d->eventfds == PCI_EVENTFDS)
		return -ENOSPC;
	pci_lock(d->bus);
	d->eventfd[d->eventfds++] =
		(struct pci_eventfd){.fd = fd, .bar = n, .len = len, .offset = offset};
	pci_eventfds_follow(d);
	pci_unlock(d->bus);
	return 0;
}
