/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An NVMe driver that does anything: register writes, memory writes where queues and lists lie, and
 * the workers' work in between. Records of 8 bytes: {what, 0, address 16, value 32}.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/nvme.h"
#include "vmm/pci.h"
#include "vmm/virtio/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	RECORD = 8,
	RAM = 1 << 20
};
#define AT 0xfe000000u

static int touch(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	for (int i = 0; i < n; i++) {
		assert(off + iov[i].iov_len <= b->size && iov[i].iov_len);
		memset(iov[i].iov_base, 0x5a, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	return off > b->size / 2 ? -5 : 0; /* the second half has a scratch */
}

static int flush(struct block *b)
{
	(void)b;
	return 0;
}

static int discard(struct block *b, uint64_t off, uint64_t len)
{
	assert(off <= b->size && len <= b->size - off);
	return 0;
}

static int zeroes(struct block *b, uint64_t off, uint64_t len, bool may_unmap)
{
	(void)may_unmap;
	return discard(b, off, len);
}

static void close_disk(struct block *b)
{
	free(b);
}

static const struct block_ops disk_ops = {.readv = touch,
					  .writev = touch,
					  .flush = flush,
					  .discard = discard,
					  .write_zeroes = zeroes,
					  .close = close_disk};

static void set(struct pci_bus *bus, uint32_t at, uint32_t v)
{
	uint64_t value = v;

	(void)pci_access(bus, false, true, AT + at, 4, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vm_mem *mem = vm_mem_new(RAM, NULL);
	struct pci_bus *bus = pci_bus_new(NULL);
	struct block *disk = calloc(1, sizeof(*disk));
	struct nvme_cfg c = {.n = 1};
	struct nvme *nvme;
	unsigned runs = 0;

	assert(mem && bus && disk);
	*disk = (struct block){.ops = &disk_ops, .size = 64 << 20};
	c.pci = bus;
	c.mem = mem;
	c.disk[0] = disk;
	nvme = nvme_new(&c, NULL);
	assert(nvme);
	pci_config_write(bus, 0x10, 4, AT);
	pci_config_write(bus, 0x14, 4, 0);
	pci_config_write(bus, 0x04, 2, 6);
	set(bus, 0x24, 15 << 16 | 15);
	set(bus, 0x28, 0x1000);
	set(bus, 0x30, 0x2000);
	set(bus, 0x14, 0x00460001);
	for (; n >= RECORD; p += RECORD, n -= RECORD) {
		uint16_t at = get_le16(p + 2);
		uint64_t v;

		switch (p[0] & 3) {
		case 0:
			set(bus, at & 0x3ffc, get_le32(p + 4));
			break;
		case 1:
			(void)pci_access(bus, false, false, AT + (at & 0x1fff), 1u << (p[1] & 3),
					 &v);
			break;
		case 2:
			(void)!vm_mem_write(mem, at, p + 4, 4);
			break;
		default:
			if (runs++ < 16)
				nvme_work(nvme, 8);
		}
	}
	nvme_free(nvme);
	pci_bus_free(bus);
	vm_mem_free(mem);
	return 0;
}
