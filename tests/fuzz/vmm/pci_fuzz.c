/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any sequence of configuration and BAR accesses on a bus with one device: ops see only offsets
 * inside their BAR, eventfds stay paired, nothing else happens.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "vmm/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct bench {
	struct pci_bus *bus;
	struct pci_dev dev;
	int armed;
};

static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	assert(bar < PCI_BARS && offset % size == 0 && offset + size <= d->bar[bar].size);
	return offset;
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size, uint64_t v)
{
	(void)v;
	assert(bar < PCI_BARS && offset % size == 0 && offset + size <= d->bar[bar].size);
	(void)pci_msix_signal(d, (unsigned)v & 7);
}

static int on_eventfd(void *arg, bool add, bool port, uint64_t addr, unsigned len, int fd)
{
	struct bench *b = arg;

	(void)port;
	(void)addr;
	(void)len;
	(void)fd;
	b->armed += add ? 1 : -1;
	assert(b->armed == 0 || b->armed == 1);
	return 0;
}

static void access_one(struct bench *b, const uint8_t *p)
{
	uint64_t at, value;
	unsigned size = 1u << (p[0] >> 1 & 3);

	memcpy(&at, p + 1, 7);
	at &= (1ull << 56) - 1;
	memcpy(&value, p + 8, 8);
	switch (p[0] >> 4 & 3) {
	case 0:
		if (p[0] & 1)
			pci_config_write(b->bus, (uint32_t)at & 0xfff, size, (uint32_t)value);
		else
			(void)pci_config_read(b->bus, (uint32_t)at, size);
		break;
	case 1: /* anywhere */
		(void)pci_access(b->bus, p[0] & 64, p[0] & 1, at, p[0] & 128 ? 3 : size, &value);
		break;
	default: /* near a BAR */
		(void)pci_access(b->bus, false, p[0] & 1,
				 b->dev.bar[p[0] >> 6].addr + (at & 0x1fff), size, &value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct pci_ops ops = {.bar_read = on_read, .bar_write = on_write};
	struct bench b = {.dev = {.name = "fuzz", .ops = &ops}};
	const struct pci_host host = {.arg = &b, .eventfd = on_eventfd};

	b.bus = pci_bus_new(&host);
	assert(b.bus && pci_bar_add(&b.dev, 0, PCI_BAR_MEM64, 4096) == 0 &&
	       pci_msix_add(&b.dev, 2, 4) == 0 && pci_bar_add(&b.dev, 3, PCI_BAR_IO, 64) == 0 &&
	       pci_add(b.bus, &b.dev) == 0 && pci_bar_eventfd(&b.dev, 0, 16, 2, 1) == 0);
	for (; n >= 16; p += 16, n -= 16)
		access_one(&b, p);
	pci_dev_fini(&b.dev);
	assert(b.armed == 0);
	pci_bus_free(b.bus);
	return 0;
}
