/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration mechanism 1 (PCI 3.0 §3.2.2.3.2) and ECAM (PCI Express Base §7.2.2). The address
 * register is one word: two vCPUs racing for it is the guest's problem, never ours.
 */
#include "vmm/host_bridge.h"

#include <string.h>
#include "vmm/layout.h"
#include "vmm/snapshot/section.h"

enum {
	ENABLE = 1u << 31,
	DATA = 4,
	RESET_AT = VM_RESET_PORT - 0xcf8
};

static void config_access(struct pci_bus *b, bool write, uint32_t at, unsigned size,
			  uint64_t *value)
{
	if (write)
		pci_config_write(b, at, size, (uint32_t)*value);
	else
		*value = pci_config_read(b, at, size);
}

static void ports(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct host_bridge *h = arg;
	uint32_t address = __atomic_load_n(&h->address, __ATOMIC_RELAXED);

	if (offset == 0 && size == 4) {
		if (write)
			__atomic_store_n(&h->address, (uint32_t)*value, __ATOMIC_RELAXED);
		else
			*value = address;
	} else if (offset == RESET_AT && size == 1) {
		h->reset(h->reset_arg, write, 0, 1, value);
	} else if (offset >= DATA && (address & ENABLE)) {
		/* bus 23:16, device 15:11, function 10:8, register 7:2 */
		uint32_t at = (address & 0x00ffff00) << 4 | (address & 0xfc) | (offset & 3);

		config_access(h->bus, write, at, size, value);
	}
}

static void ecam(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct host_bridge *h = arg;

	config_access(h->bus, write, (uint32_t)offset, size, value);
}

static void save(struct pci_dev *d, struct snap_out *out)
{
	const struct host_bridge *h = d->opaque;

	snap_begin(out, d->name, d->slot, 1);
	snap_put_u32(out, __atomic_load_n(&h->address, __ATOMIC_RELAXED));
	snap_end(out);
}

static int load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	struct host_bridge *h = d->opaque;
	struct snap_in in;
	int r = snap_find(s, d->name, d->slot, 1, &in, e);

	if (r < 0)
		return r;
	__atomic_store_n(&h->address, snap_u32(&in), __ATOMIC_RELAXED);
	return snap_done(&in, e);
}

int host_bridge_add(struct host_bridge *h, struct pci_bus *bus, struct vm_io *io, vm_io_fn reset,
		    void *reset_arg)
{
	static const struct pci_ops ops = {.save = save, .load = load};

	memset(h, 0, sizeof(*h));
	h->bus = bus;
	h->reset = reset;
	h->reset_arg = reset_arg;
	h->dev = (struct pci_dev){.name = "host-bridge",
				  .vendor = 0x1b36,
				  .device = 0x0008,
				  .class_code = 0x060000,
				  .ops = &ops,
				  .opaque = h};

	int r = pci_add(bus, &h->dev);

	if (r == 0)
		r = vm_io_add(io, true, 0xcf8, 8, ports, h);
	if (r == 0)
		r = vm_io_add(io, false, VM_ECAM, VM_ECAM_SIZE, ecam, h);
	return r;
}
