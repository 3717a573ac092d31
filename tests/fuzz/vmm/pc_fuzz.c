/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any sequence of port and memory accesses to the PC's small devices, and strokes in between:
 * fw_cfg with its DMA, the keyboard controller, flash, VGA with its card, and a frame drawn at any
 * moment. Records of 8 bytes: {what, size, address 16, value 32}.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/io.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/pc/fw_cfg.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pflash.h"
#include "vmm/pc/q35.h"
#include "vmm/pc/vga_card.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	RECORD = 8,
	FLASH_BYTES = 0x8000,
	RAM = 1 << 20
};
#define FLASH_AT 0xffc00000ull

struct bench {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct pci_dev bridge;
	struct vm_io io;
	struct fw_cfg fw_cfg;
	struct i8042 i8042;
	struct pflash flash;
	struct q35 q35;
	struct vga_card vga;
	uint8_t bytes[FLASH_BYTES];
};

static void on_irq(void *arg, bool mouse, bool level)
{
	(void)arg;
	(void)mouse;
	(void)level;
}

static void on_reset(void *arg)
{
	(void)arg;
}

static struct bench *build(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct vga_host host = {0};
	int r;

	assert(b);
	b->mem = vm_mem_new(RAM, NULL);
	b->bus = pci_bus_new(NULL);
	assert(b->mem && b->bus);
	b->io.pci = b->bus;
	b->bridge = (struct pci_dev){.name = "bridge"};
	i8042_init(&b->i8042, on_irq, on_reset, b);
	r = pci_add(b->bus, &b->bridge);
	r = r ? r : q35_add(&b->q35, b->bus, &b->bridge, &b->io);
	r = r ? r : vga_card_add(&b->vga, &b->io, &host, 1280, 800, NULL);
	r = r ? r : vga_card_plug(&b->vga, b->bus, NULL);
	r = r ? r : fw_cfg_init(&b->fw_cfg, b->mem);
	r = r ? r : fw_cfg_add_file(&b->fw_cfg, "etc/file", "0123456789", 10, true);
	r = r ? r
	      : vm_io_add(&b->io, true, VM_FW_CFG_PORT, FW_CFG_PORTS, fw_cfg_access, &b->fw_cfg);
	r = r ? r : vm_io_add(&b->io, true, 0x60, 1, i8042_data_access, &b->i8042);
	r = r ? r : vm_io_add(&b->io, true, 0x64, 1, i8042_command_access, &b->i8042);
	r = r ? r : pflash_init(&b->flash, b->bytes, FLASH_BYTES, NULL, NULL);
	r = r ? r : vm_io_add(&b->io, false, FLASH_AT, FLASH_BYTES, pflash_access, &b->flash);
	assert(r == 0);
	pci_config_write(b->bus, 1 << 15 | 0x10, 4, 0xfd000000); /* VGA: in slot 1 */
	pci_config_write(b->bus, 1 << 15 | 0x18, 4, 0xfe000000);
	pci_config_write(b->bus, 1 << 15 | 0x04, 2, 3);
	return b;
}

static void demolish(struct bench *b)
{
	vga_card_fini(&b->vga);
	pci_dev_fini(&b->q35.lpc);
	pci_dev_fini(&b->bridge);
	pflash_fini(&b->flash);
	i8042_fini(&b->i8042);
	fw_cfg_fini(&b->fw_cfg);
	pci_bus_free(b->bus);
	vm_mem_free(b->mem);
	free(b);
}

static void step(struct bench *b, const uint8_t *r)
{
	static const uint64_t bases[] = {VM_VGA_WINDOW, VM_VGA_WINDOW + 0x10000, FLASH_AT,
					 0xfd000000, 0xfe000000};
	bool write = r[0] & 1;
	unsigned what = r[0] >> 1 & 15, size = 1u << (r[1] & 3);
	uint16_t at = get_le16(r + 2);
	uint64_t value = get_le32(r + 4);

	if (what < 5) {
		vm_io_access(&b->io, false, write, bases[what] + at, size, &value);
	} else if (what < 10) {
		vm_io_access(&b->io, true, write, at, size > 4 ? 4 : size, &value);
	} else if (what == 10) {
		i8042_key(&b->i8042, at, write);
	} else if (what == 11) {
		i8042_move(&b->i8042, (int16_t)at, (int32_t)value, r[1]);
	} else if (what == 12) {
		(void)!vm_mem_write(b->mem, at, r + 4, 4); /* a DMA descriptor in the making */
	} else if (what == 13 && b->vga.vga.dispi[1] <= 1024 && b->vga.vga.dispi[2] <= 768) {
		(void)vga_card_draw(&b->vga); /* larger modes only cost time */
	} else if (what == 14) {
		pci_config_write(b->bus, 1 << 15 | (at & 0xff), size > 4 ? 4 : size,
				 (uint32_t)value);
	} else {
		i8042_release(&b->i8042);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bench *b = build();

	for (; n >= RECORD; p += RECORD, n -= RECORD)
		step(b, p);
	demolish(b);
	return 0;
}
