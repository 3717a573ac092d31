/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The register: reading tells which events are understood, writing raises them (QEMU
 * docs/specs/pvpanic.txt). A crash kernel being loaded is not the end: the guest goes on.
 */
#include "vmm/pvpanic.h"

#include <string.h>
#include "common/log.h"

enum {
	PANICKED = 1,
	CRASH_LOADED = 2
};

static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	(void)d;
	(void)bar;
	(void)size;
	return offset ? 0 : PANICKED | CRASH_LOADED;
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		     uint64_t value)
{
	struct pvpanic *p = d->opaque;

	(void)bar;
	(void)size;
	if (offset)
		return;
	if (value & PANICKED)
		p->panicked(p->arg);
	else if (value & CRASH_LOADED)
		log_warn("guest.crash_kernel", "loaded=1");
}

int pvpanic_add(struct pvpanic *p, struct pci_bus *bus, void (*panicked)(void *arg), void *arg)
{
	static const struct pci_ops ops = {.bar_read = on_read, .bar_write = on_write};

	memset(p, 0, sizeof(*p));
	p->panicked = panicked;
	p->arg = arg;
	p->dev = (struct pci_dev){.name = "pvpanic",
				  .vendor = 0x1b36,
				  .device = 0x0011,
				  .subvendor = 0x1af4,
				  .subdevice = 0x1100,
				  .class_code = 0x088000,
				  .revision = 1,
				  .ops = &ops,
				  .opaque = p};

	int r = pci_bar_add(&p->dev, 0, PCI_BAR_MEM32, 16);

	return r < 0 ? r : pci_add(bus, &p->dev);
}
