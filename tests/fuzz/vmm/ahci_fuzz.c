/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An AHCI driver that does anything: register writes, memory writes where lists, tables and FISes
 * lie, and the worker run in between. Records of 8 bytes: {what, 0, address 16, value 32}.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/ahci.h"
#include "vmm/virtio/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	RECORD = 8,
	RAM = 1 << 20
};
#define AT 0xfe000000u

static int read_disc(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	for (int i = 0; i < n; i++) {
		assert(off + iov[i].iov_len <= b->size);
		memset(iov[i].iov_base, 0x5a, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	return off > b->size / 2 ? -5 : 0; /* the second half has a scratch */
}

static void close_disc(struct block *b)
{
	free(b);
}

static const struct block_ops disc_ops = {.readv = read_disc, .close = close_disc};

static void set(struct pci_bus *bus, uint32_t at, uint32_t v)
{
	uint64_t value = v;

	(void)pci_access(bus, false, true, AT + at, 4, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vm_mem *mem = vm_mem_new(RAM, NULL);
	struct pci_bus *bus = pci_bus_new(NULL);
	struct block *disc = calloc(1, sizeof(*disc));
	struct ahci *a;
	unsigned runs = 0;

	assert(mem && bus && disc);
	*disc = (struct block){.ops = &disc_ops, .size = 64 << 20, .read_only = true};
	a = ahci_new(bus, mem, disc, NULL);
	assert(a);
	pci_config_write(bus, 0x24, 4, AT);
	pci_config_write(bus, 0x04, 2, 6);
	set(bus, 0x100, 0x1000);
	set(bus, 0x108, 0x2000);
	set(bus, 0x118, 0x10);
	set(bus, 0x118, 0x11);
	for (; n >= RECORD; p += RECORD, n -= RECORD) {
		uint16_t at = get_le16(p + 2);
		uint64_t v;

		switch (p[0] & 3) {
		case 0:
			set(bus, at & 0x1ffc, get_le32(p + 4));
			break;
		case 1:
			(void)pci_access(bus, false, false, AT + (at & 0xfff), 1u << (p[1] & 3),
					 &v);
			break;
		case 2:
			(void)!vm_mem_write(mem, at, p + 4, 4);
			break;
		default:
			if (runs++ < 16)
				ahci_work(a);
		}
	}
	ahci_free(a);
	pci_bus_free(bus);
	vm_mem_free(mem);
	return 0;
}
