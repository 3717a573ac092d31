/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PCI bus: configuration space, base address registers and who answers an address. Capabilities
 * with state of their own (MSI-X) and queue notification by eventfd are in pci_msix.c.
 *
 * Invariants: a device's cfg[] changes for the guest only through writable[]; bar[].addr and
 * bar[].mapped always agree with the BAR and command registers (pci_bars_rescan()); eventfds are
 * registered with the host exactly while their BAR is mapped. All under the bus lock.
 * PCI Local Bus 3.0 §6, PCI Express Base §7.
 */
#include "vmm/pci.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/layout.h"
#include "vmm/pci_internal.h"

enum {
	CFG_VENDOR = 0x00,
	CFG_DEVICE = 0x02,
	CFG_COMMAND = 0x04,
	CFG_STATUS = 0x06,
	CFG_REVISION = 0x08,
	CFG_BAR0 = 0x10,
	CFG_SUBVENDOR = 0x2c,
	CFG_SUBDEVICE = 0x2e,
	CFG_CAPS = 0x34,
	CFG_INT_LINE = 0x3c,
	CFG_INT_PIN = 0x3d,
	CFG_HEADER_END = 0x40,
};

enum {
	CMD_IO = 1,
	CMD_MEMORY = 2,
	CMD_MASTER = 4,
	CMD_INTX_OFF = 0x400
};
enum {
	STATUS_INTX = 0x08,
	STATUS_CAPS = 0x10
};

struct pci_bus *pci_bus_new(const struct pci_host *host)
{
	struct pci_bus *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	if (host)
		b->host = *host;
	b->next_mem = VM_PCI_MEM;
	b->next_port = VM_PCI_PORTS;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void pci_bus_free(struct pci_bus *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void pci_lock(struct pci_bus *b)
{
	pthread_mutex_lock(&b->lock);
}

void pci_unlock(struct pci_bus *b)
{
	pthread_mutex_unlock(&b->lock);
}

/* ---- making a device ------------------------------------------------------------------------ */

int pci_bar_add(struct pci_dev *d, unsigned n, enum pci_bar_kind kind, uint64_t size)
{
	bool wide = kind == PCI_BAR_MEM64;
	uint64_t least = kind == PCI_BAR_IO ? 4 : 16, most = kind == PCI_BAR_IO ? 256 : 1u << 28;

	if (n + wide >= PCI_BARS || d->bar[n].kind != PCI_BAR_NONE || size < least || size > most ||
	    (size & (size - 1)))
		return -EINVAL;
	d->bar[n] = (struct pci_bar){.kind = kind, .size = size};

	uint32_t flags = kind == PCI_BAR_IO ? 1 : wide ? 4 : 0;
	uint32_t mask = (uint32_t) ~(size - 1) & (kind == PCI_BAR_IO ? 0xfffc : 0xfffffff0);

	put_le32(d->cfg + CFG_BAR0 + 4 * n, flags);
	put_le32(d->writable + CFG_BAR0 + 4 * n, mask);
	if (wide)
		put_le32(d->writable + CFG_BAR0 + 4 * (n + 1), 0xffffffff);
	return 0;
}

int pci_cap_add(struct pci_dev *d, const void *bytes, const void *writable, size_t n)
{
	unsigned at = d->cap_end ? d->cap_end : CFG_HEADER_END;

	if (n < 2 || n > PCI_CFG_BYTES - at)
		return -ENOSPC;
	memcpy(d->cfg + at, bytes, n);
	if (writable)
		memcpy(d->writable + at, writable, n);
	d->cfg[at + 1] = 0;
	d->writable[at] = d->writable[at + 1] = 0;
	d->cfg[d->cap_last ? d->cap_last + 1 : CFG_CAPS] = (uint8_t)at;
	d->cfg[CFG_STATUS] |= STATUS_CAPS;
	d->cap_last = at;
	d->cap_end = (unsigned)(at + n + 3) & ~3u;
	return (int)at;
}

static void fill_header(struct pci_dev *d)
{
	put_le16(d->cfg + CFG_VENDOR, d->vendor);
	put_le16(d->cfg + CFG_DEVICE, d->device);
	put_le32(d->cfg + CFG_REVISION, d->class_code << 8 | d->revision);
	put_le16(d->cfg + CFG_SUBVENDOR, d->subvendor);
	put_le16(d->cfg + CFG_SUBDEVICE, d->subdevice);
	d->cfg[CFG_INT_PIN] = d->intx ? 1 : 0; /* INTA# */
	put_le16(d->writable + CFG_COMMAND, CMD_IO | CMD_MEMORY | CMD_MASTER | CMD_INTX_OFF);
	d->writable[CFG_INT_LINE] = 0xff;
}

/* Gives a BAR the next free address of its window: the guest may move it, but need not. */
static int assign_bar(struct pci_bus *b, struct pci_dev *d, unsigned n)
{
	struct pci_bar *bar = &d->bar[n];
	bool port = bar->kind == PCI_BAR_IO;
	uint64_t *next = port ? &b->next_port : &b->next_mem;
	uint64_t size = !port && bar->size < 4096 ? 4096 : bar->size;
	uint64_t at = (*next + size - 1) & ~(size - 1);

	if (at + size > (port ? VM_PCI_PORTS_END : VM_PCI_MEM_END))
		return -ENOSPC;
	*next = at + size;
	bar->addr = at;

	uint8_t *reg = d->cfg + CFG_BAR0 + 4 * n;

	put_le32(reg, get_le32(reg) | (uint32_t)at);
	return 0;
}

int pci_add(struct pci_bus *b, struct pci_dev *d)
{
	unsigned slot = 0;

	while (slot < VM_HOTPLUG_SLOT && b->dev[slot])
		slot++;
	return slot == VM_HOTPLUG_SLOT ? -ENOSPC : pci_add_at(b, d, slot);
}

int pci_plug(struct pci_bus *b, struct pci_dev *d, unsigned slot)
{
	if (slot >= PCI_SLOTS || b->dev[slot])
		return -EEXIST;
	fill_header(d);
	d->bus = b;
	d->slot = slot;
	return 0;
}

void pci_show(struct pci_dev *d)
{
	pci_lock(d->bus);
	d->bus->dev[d->slot] = d;
	pci_unlock(d->bus);
}

static void take_off(struct pci_dev *d)
{
	for (unsigned n = 0; n < PCI_BARS; n++)
		d->bar[n].mapped = false;
	pci_eventfds_follow(d);
	if (d->bus->dev[d->slot] == d)
		d->bus->dev[d->slot] = NULL;
}

void pci_hide(struct pci_bus *b, unsigned slot)
{
	pci_lock(b);
	if (slot < PCI_SLOTS && b->dev[slot])
		take_off(b->dev[slot]);
	pci_unlock(b);
}

int pci_add_at(struct pci_bus *b, struct pci_dev *d, unsigned slot)
{
	if (slot >= PCI_SLOTS || b->dev[slot])
		return -EEXIST;
	fill_header(d);
	for (unsigned n = 0; n < PCI_BARS; n++) {
		int r = d->bar[n].kind == PCI_BAR_NONE ? 0 : assign_bar(b, d, n);

		if (r < 0)
			return r;
	}
	d->bus = b;
	d->slot = slot;
	pci_lock(b);
	b->dev[slot] = d;
	pci_unlock(b);
	return 0;
}

void pci_dev_fini(struct pci_dev *d)
{
	if (d->bus) {
		pci_lock(d->bus);
		take_off(d);
		pci_unlock(d->bus);
		d->bus = NULL;
	}
	pci_msix_fini(d);
}

void pci_cfg_put(struct pci_dev *d, unsigned offset, const void *p, size_t n)
{
	if (range_ok(offset, n, PCI_CFG_BYTES))
		memcpy(d->cfg + offset, p, n);
}

/* ---- configuration space -------------------------------------------------------------------- */

void pci_bars_rescan(struct pci_dev *d)
{
	uint16_t cmd = get_le16(d->cfg + CFG_COMMAND);

	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct pci_bar *bar = &d->bar[n];
		const uint8_t *reg = d->cfg + CFG_BAR0 + 4 * n;
		uint64_t end = bar->kind == PCI_BAR_IO ? 0x10000 : 1ull << 52;

		if (bar->kind == PCI_BAR_NONE)
			continue;
		bar->addr = get_le32(reg) & (bar->kind == PCI_BAR_IO ? ~3u : ~15u);
		if (bar->kind == PCI_BAR_MEM64)
			bar->addr |= (uint64_t)get_le32(reg + 4) << 32;
		bar->mapped = bar->addr && range_ok(bar->addr, bar->size, end) &&
			      (cmd & (bar->kind == PCI_BAR_IO ? CMD_IO : CMD_MEMORY));
	}
	pci_eventfds_follow(d);
}

static struct pci_dev *dev_at(struct pci_bus *b, uint32_t bdf_offset)
{
	if (bdf_offset >> 20 || (bdf_offset >> 12 & 7))
		return NULL; /* one bus, single-function devices */
	return b->dev[bdf_offset >> 15 & 31];
}

uint32_t pci_config_read(struct pci_bus *b, uint32_t bdf_offset, unsigned size)
{
	uint32_t reg = bdf_offset & 0xfff, v = 0;

	if ((size != 1 && size != 2 && size != 4) || reg % size)
		return 0xffffffff;
	pci_lock(b);

	struct pci_dev *d = dev_at(b, bdf_offset);

	if (!d) {
		v = 0xffffffff >> (32 - 8 * size);
	} else if (reg < PCI_CFG_BYTES) {
		if (d->ops && d->ops->config_read)
			d->ops->config_read(d, reg, size);
		memcpy(&v, d->cfg + reg, size);
	}
	pci_unlock(b);
	return v;
}

void pci_config_write(struct pci_bus *b, uint32_t bdf_offset, unsigned size, uint32_t value)
{
	uint32_t reg = bdf_offset & 0xfff;

	if ((size != 1 && size != 2 && size != 4) || reg % size || reg >= PCI_CFG_BYTES)
		return;
	pci_lock(b);

	struct pci_dev *d = dev_at(b, bdf_offset);

	if (d) {
		for (unsigned i = 0; i < size; i++) {
			uint8_t w = d->writable[reg + i], v = (uint8_t)(value >> (8 * i));

			d->cfg[reg + i] = (uint8_t)((d->cfg[reg + i] & ~w) | (v & w));
		}
		if (reg < CFG_BAR0 + 4 * PCI_BARS)
			pci_bars_rescan(d);
		pci_msix_rescan(d);
		if (d->ops && d->ops->config_write)
			d->ops->config_write(d, reg, size);
	}
	pci_unlock(b);
}

/* ---- who answers an address ----------------------------------------------------------------- */

static struct pci_dev *claim(struct pci_bus *b, bool port, uint64_t addr, unsigned *bar)
{
	for (unsigned s = 0; s < PCI_SLOTS; s++) {
		struct pci_dev *d = b->dev[s];

		for (unsigned n = 0; d && n < PCI_BARS; n++) {
			const struct pci_bar *r = &d->bar[n];

			if (r->mapped && (r->kind == PCI_BAR_IO) == port && addr >= r->addr &&
			    addr - r->addr < r->size) {
				*bar = n;
				return d;
			}
		}
	}
	return NULL;
}

static void bar_access(struct pci_dev *d, unsigned n, bool write, uint64_t offset, unsigned size,
		       uint64_t *value)
{
	bool odd = (size != 1 && size != 2 && size != 4 && size != 8) || offset % size;

	if (odd || !range_ok(offset, size, d->bar[n].size)) {
		if (!write)
			*value = ~0ull;
	} else if (d->msix.vectors && n == d->msix.bar) {
		pci_msix_access(d, write, offset, size, value);
	} else if (write) {
		if (d->ops && d->ops->bar_write)
			d->ops->bar_write(d, n, offset, size, *value);
	} else {
		*value = d->ops && d->ops->bar_read ? d->ops->bar_read(d, n, offset, size) : ~0ull;
	}
}

bool pci_access(struct pci_bus *b, bool port, bool write, uint64_t addr, unsigned size,
		uint64_t *value)
{
	unsigned n;

	pci_lock(b);

	struct pci_dev *d = claim(b, port, addr, &n);

	if (d)
		bar_access(d, n, write, addr - d->bar[n].addr, size, value);
	pci_unlock(b);
	return d;
}

void pci_intx(struct pci_dev *d, bool level)
{
	struct pci_bus *b = d->bus;

	if (!b || !d->intx || __atomic_exchange_n(&d->intx_level, level, __ATOMIC_ACQ_REL) == level)
		return;
	if (level)
		__atomic_or_fetch(&d->cfg[CFG_STATUS], STATUS_INTX, __ATOMIC_RELAXED);
	else
		__atomic_and_fetch(&d->cfg[CFG_STATUS], (uint8_t)~STATUS_INTX, __ATOMIC_RELAXED);
	if (b->host.intx)
		b->host.intx(b->host.arg, d->slot, level);
}

void pci_reset(struct pci_bus *b)
{
	pci_lock(b);
	for (unsigned s = 0; s < PCI_SLOTS; s++) {
		struct pci_dev *d = b->dev[s];

		if (!d)
			continue;
		put_le16(d->cfg + CFG_COMMAND, 0);
		pci_bars_rescan(d);
		pci_msix_reset(d);
		if (d->ops && d->ops->reset)
			d->ops->reset(d);
	}
	pci_unlock(b);
}
