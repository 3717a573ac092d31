/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An AHCI driver that does anything: register writes, memory writes where lists, tables and FISes
 * lie, and the worker run in between, with a CD drive and a disk. Records of 8 bytes: {what, 0,
 * address 16, value 32}.
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

static int write_disc(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	volatile uint8_t sum = 0;

	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;

		assert(off + iov[i].iov_len <= b->size && iov[i].iov_len);
		sum = (uint8_t)(sum + p[0] + p[iov[i].iov_len - 1]);
		off += iov[i].iov_len;
	}
	return off > b->size / 2 ? -28 : 0;
}

static int flush_disc(struct block *b)
{
	(void)b;
	return 0;
}

static int discard_disc(struct block *b, uint64_t off, uint64_t len)
{
	assert(off <= b->size && len <= b->size - off);
	return 0;
}

static void close_disc(struct block *b)
{
	free(b);
}

static const struct block_ops disc_ops = {.readv = read_disc,
					  .writev = write_disc,
					  .flush = flush_disc,
					  .discard = discard_disc,
					  .close = close_disc};

static void set(struct pci_bus *bus, uint32_t at, uint32_t v)
{
	uint64_t value = v;

	(void)pci_access(bus, false, true, AT + at, 4, &value);
}

static struct block *disc(bool read_only)
{
	struct block *b = calloc(1, sizeof(*b));

	assert(b);
	*b = (struct block){.ops = &disc_ops, .size = 64 << 20, .read_only = read_only};
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct vm_mem *mem = vm_mem_new(RAM, NULL);
	struct pci_bus *bus = pci_bus_new(NULL);
	struct ata_drive *drive[2];
	struct ahci *a;
	unsigned runs = 0;

	assert(mem && bus);
	drive[0] = ata_cd_new(disc(true));
	drive[1] = ata_disk_new(disc(false), "fuzz", NULL);
	a = ahci_new(&(struct ahci_cfg){.pci = bus, .mem = mem, .drive = drive, .n = 2}, NULL);
	assert(a);
	pci_config_write(bus, 0x24, 4, AT);
	pci_config_write(bus, 0x04, 2, 6);
	for (uint32_t port = 0x100; port <= 0x180; port += 0x80) {
		set(bus, port, port == 0x100 ? 0x1000 : 0x3000);
		set(bus, port + 8, port == 0x100 ? 0x2000 : 0x4000);
		set(bus, port + 0x18, 0x10);
		set(bus, port + 0x18, 0x11);
	}
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
