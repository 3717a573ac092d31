/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The driver side of High Definition Audio 1.0a: commands by hand (§3.4.3), one stream of two
 * pieces, no interrupts.
 */
#include "tests/guest/sound.h"

#include "tests/guest/hw.h"

enum {
	R_GCTL = 0x08,
	R_STATESTS = 0x0e,
	R_ICOI = 0x60,
	R_ICII = 0x64,
	R_ICIS = 0x68,
	R_SDCTL = 0x80,
	R_SDSTS = 0x83,
	R_SDCBL = 0x88,
	R_SDLVI = 0x8c,
	R_SDFMT = 0x92,
	R_SDBDP = 0x98,
	FRAMES = 2400, /* of a piece: 50 ms */
	PIECES = 10,
	HALF_WAVE = 24,
	LOUD = 0x2000
};

static int16_t wave[2 * FRAMES][2] __attribute__((aligned(128)));
static struct {
	uint64_t at;
	uint32_t len, ioc;
} list[2] __attribute__((aligned(128)));

static uint32_t command(uint64_t regs, uint32_t verb)
{
	mmio_write32(regs + R_ICOI, verb);
	mmio_write16(regs + R_ICIS, 1);
	while (mmio_read16(regs + R_ICIS) & 1)
		continue;
	return mmio_read32(regs + R_ICII);
}

static void run_stream(uint64_t regs)
{
	for (unsigned i = 0; i < 2; i++) {
		list[i].at = (uint64_t)&wave[i * FRAMES];
		list[i].len = sizeof(wave) / 2;
		list[i].ioc = 1;
	}
	mmio_write32(regs + R_SDBDP, (uint32_t)(uint64_t)list);
	mmio_write32(regs + R_SDCBL, sizeof(wave));
	mmio_write16(regs + R_SDLVI, 1);
	mmio_write16(regs + R_SDFMT, 0x11);
	mmio_write32(regs + R_SDCTL, 1 << 20 | 2);
	for (unsigned n = 0; n < PIECES; n++) {
		while (!(mmio_read8(regs + R_SDSTS) & 4))
			continue;
		mmio_write8(regs + R_SDSTS, 4);
	}
	mmio_write32(regs + R_SDCTL, 0);
}

void sound_play(void)
{
	int slot = pci_find(0x8086, 0x2668);
	uint64_t regs;

	if (slot < 0) {
		print("sound none\n");
		return;
	}
	pci_write((unsigned)slot, 4, 6);
	regs = pci_bar((unsigned)slot, 0);
	mmio_write32(regs + R_GCTL, 0);
	mmio_write32(regs + R_GCTL, 1);
	print("codec %x at %u\n", command(regs, 0x000f0000), mmio_read16(regs + R_STATESTS));
	(void)command(regs, 0x00270610); /* converter: stream 1 */
	(void)command(regs, 0x00370740); /* jack: on */
	for (unsigned i = 0; i < 2 * FRAMES; i++)
		wave[i][0] = wave[i][1] = i / HALF_WAVE % 2 ? -LOUD : LOUD;
	run_stream(regs);
	print("played\n");
}
