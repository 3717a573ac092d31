/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VGA registers and the memory window. Indices and addresses are the guest's: each is masked or
 * checked where it is used.
 */
#include "vmm/pc/vga.h"

#include <string.h>

enum {
	P_ATTRIBUTE = 0x00,
	P_ATTRIBUTE_READ = 0x01,
	P_MISC = 0x02,
	P_SEQ_INDEX = 0x04,
	P_SEQ = 0x05,
	P_DAC_MASK = 0x06,
	P_DAC_READ = 0x07,
	P_DAC_WRITE = 0x08,
	P_DAC = 0x09,
	P_FEATURE_READ = 0x0a,
	P_MISC_READ = 0x0c,
	P_GR_INDEX = 0x0e,
	P_GR = 0x0f,
	P_CR_INDEX = 0x14,
	P_CR = 0x15,
	P_STATUS1 = 0x1a
};
enum {
	GR_SET = 0,
	GR_SET_ENABLE = 1,
	GR_COMPARE = 2,
	GR_ROTATE = 3,
	GR_READ_PLANE = 4,
	GR_MODE = 5,
	GR_MISC = 6,
	GR_COMPARE_CARE = 7,
	GR_BIT_MASK = 8,
	SEQ_PLANES = 2,
	SEQ_MEMORY = 4,
	SEQ_CHAIN4 = 8,
	GR_ODD_EVEN = 0x10
};
enum {
	D_ID,
	D_XRES,
	D_YRES,
	D_BPP,
	D_ENABLE,
	D_BANK,
	D_VIRT_WIDTH,
	D_VIRT_HEIGHT,
	D_X,
	D_Y,
	D_MEMORY
};
enum {
	DISPI_ID0 = 0xb0c0,
	DISPI_ID5 = 0xb0c5,
	ENABLED = 1,
	GET_CAPS = 2,
	NO_CLEAR = 0x80
};

void vga_init(struct vga *v, uint8_t *vram)
{
	memset(v, 0, sizeof(*v));
	v->vram = vram;
	v->dac_mask = 0xff;
	v->dispi[D_ID] = DISPI_ID5;
	v->redraw = true;
}

void vga_mark(struct vga *v, uint32_t at)
{
	if (at < VGA_VRAM)
		v->dirty[at >> 18] |= 1ull << (at >> 12 & 63);
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* The ports at 0x3b. and 0x3d. are one set, at the place the miscellaneous register says. */
static void write_attribute(struct vga *v, uint8_t value)
{
	if (v->ar_data)
		v->ar[v->ar_i & 31] = value;
	else
		v->ar_i = value & 0x3f;
	v->ar_data = !v->ar_data;
	v->redraw = true;
}

static void write_dac(struct vga *v, uint8_t value)
{
	v->dac_new[v->dac_part++] = value;
	if (v->dac_part < 3)
		return;
	memcpy(v->dac[v->dac_write++], v->dac_new, 3);
	v->dac_part = 0;
	v->redraw = true;
}

static uint8_t read_dac(struct vga *v)
{
	uint8_t value = v->dac[v->dac_read][v->dac_part++];

	if (v->dac_part == 3) {
		v->dac_part = 0;
		v->dac_read++;
	}
	return value;
}

/* Register 0x11 bit 7 protects the timing; one bit of them carries the line comparison. */
static void write_cr(struct vga *v, uint8_t value)
{
	unsigned i = v->cr_i & 63;

	if ((v->cr[0x11] & 0x80) && i <= 7) {
		if (i == 7)
			v->cr[7] = (uint8_t)((v->cr[7] & ~0x10) | (value & 0x10));
		return;
	}
	v->cr[i] = value;
	v->redraw = true;
}

void vga_port_write(struct vga *v, unsigned n, uint8_t value)
{
	switch (n) {
	case P_ATTRIBUTE:
		write_attribute(v, value);
		break;
	case P_MISC:
		v->misc = value;
		break;
	case P_SEQ_INDEX:
		v->seq_i = value & 7;
		break;
	case P_SEQ:
		v->seq[v->seq_i] = value;
		v->redraw |= v->seq_i != SEQ_PLANES;
		break;
	case P_DAC_MASK:
		v->dac_mask = value;
		v->redraw = true;
		break;
	case P_DAC_READ:
		v->dac_read = value;
		v->dac_part = 0;
		v->dac_state = 3;
		break;
	case P_DAC_WRITE:
		v->dac_write = value;
		v->dac_part = 0;
		v->dac_state = 0;
		break;
	case P_DAC:
		write_dac(v, value);
		break;
	case P_GR_INDEX:
		v->gr_i = value & 15;
		break;
	case P_GR:
		v->gr[v->gr_i] = value;
		v->redraw |= v->gr_i == GR_MODE || v->gr_i == GR_MISC;
		break;
	case P_CR_INDEX:
		v->cr_i = value;
		break;
	case P_CR:
		write_cr(v, value);
		break;
	case P_STATUS1:
		v->feature = value;
		break;
	}
}

uint8_t vga_port_read(struct vga *v, unsigned n)
{
	switch (n) {
	case P_ATTRIBUTE:
		return v->ar_i;
	case P_ATTRIBUTE_READ:
		return v->ar[v->ar_i & 31];
	case P_SEQ_INDEX:
		return v->seq_i;
	case P_SEQ:
		return v->seq[v->seq_i];
	case P_DAC_MASK:
		return v->dac_mask;
	case P_DAC_READ:
		return v->dac_state;
	case P_DAC_WRITE:
		return v->dac_write;
	case P_DAC:
		return read_dac(v);
	case P_FEATURE_READ:
		return v->feature;
	case P_MISC_READ:
		return v->misc;
	case P_GR_INDEX:
		return v->gr_i;
	case P_GR:
		return v->gr[v->gr_i];
	case P_CR_INDEX:
		return v->cr_i;
	case P_CR:
		return v->cr[v->cr_i & 63];
	case P_STATUS1: /* retrace comes and goes: whoever waits for an edge gets one */
		v->ar_data = false;
		v->status1 ^= 9;
		return v->status1;
	default:
		return 0;
	}
}

/* ---- the display extension ------------------------------------------------------------------- */

uint16_t vga_dispi_read(struct vga *v, unsigned n)
{
	bool caps = v->dispi[D_ENABLE] & GET_CAPS;

	if (n == 0)
		return v->dispi_i;
	switch (v->dispi_i) {
	case D_XRES:
		return caps ? VGA_MAX_WIDTH : v->dispi[D_XRES];
	case D_YRES:
		return caps ? VGA_MAX_HEIGHT : v->dispi[D_YRES];
	case D_BPP:
		return caps ? 32 : v->dispi[D_BPP];
	case D_MEMORY:
		return VGA_VRAM >> 16;
	default:
		return v->dispi_i < VGA_DISPI_INDEXS ? v->dispi[v->dispi_i] : 0xffff;
	}
}

static uint32_t dispi_pitch(const struct vga *v, uint32_t width)
{
	uint32_t bpp = v->dispi[D_BPP];

	return bpp == 4 ? width / 2 : width * ((bpp + 7) / 8);
}

static void dispi_enable(struct vga *v, uint16_t value)
{
	bool on = value & ENABLED, was = v->dispi[D_ENABLE] & ENABLED;

	v->dispi[D_ENABLE] = value;
	if (!on || was)
		return;
	v->dispi[D_VIRT_WIDTH] = v->dispi[D_XRES];
	v->dispi[D_VIRT_HEIGHT] = v->dispi[D_YRES];
	v->dispi[D_X] = v->dispi[D_Y] = v->dispi[D_BANK] = 0;
	if (!(value & NO_CLEAR)) {
		uint64_t n = (uint64_t)dispi_pitch(v, v->dispi[D_XRES]) * v->dispi[D_YRES];

		memset(v->vram, 0, n < VGA_VRAM ? n : VGA_VRAM);
	}
}

void vga_dispi_write(struct vga *v, unsigned n, uint16_t value)
{
	if (n == 0) {
		v->dispi_i = value;
		return;
	}
	v->redraw = true;
	switch (v->dispi_i) {
	case D_ID:
		if (value >= DISPI_ID0 && value <= DISPI_ID5)
			v->dispi[D_ID] = value;
		break;
	case D_ENABLE:
		dispi_enable(v, value);
		break;
	case D_BANK:
		v->dispi[D_BANK] = value & (VGA_VRAM / 0x10000 - 1);
		break;
	case D_XRES:
	case D_YRES:
	case D_BPP:
	case D_VIRT_WIDTH:
	case D_X:
	case D_Y:
		v->dispi[v->dispi_i] = value;
		break;
	}
}

/* ---- the memory window ----------------------------------------------------------------------- */

/* Where in VGA memory a byte of the window lies; false where no map shows it. */
static bool window_address(const struct vga *v, uint32_t offset, uint32_t *at)
{
	static const struct {
		uint32_t first, size;
	} maps[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
	unsigned map = v->gr[GR_MISC] >> 2 & 3;
	bool wide = v->dispi[D_ENABLE] & ENABLED;

	if (offset < maps[map].first || offset - maps[map].first >= maps[map].size)
		return false;
	*at = offset - maps[map].first + (wide ? (uint32_t)v->dispi[D_BANK] << 16 : 0);
	return true;
}

static uint8_t *planes_at(const struct vga *v, uint32_t at)
{
	return v->vram + (4 * at & (VGA_VRAM - 1));
}

static bool chained(const struct vga *v)
{
	return v->seq[SEQ_MEMORY] & SEQ_CHAIN4;
}

/* Odd and even addresses go to odd and even planes: how text lies in memory. */
static uint32_t odd_even(const struct vga *v, uint32_t at, unsigned *plane)
{
	*plane = (unsigned)(v->gr[GR_READ_PLANE] & 2) | (at & 1);
	return ((at & ~1u) << 1 | *plane) & (VGA_VRAM - 1);
}

uint8_t vga_window_read(struct vga *v, uint32_t offset)
{
	uint32_t at;
	unsigned plane;
	uint8_t differs = 0;

	if (!window_address(v, offset, &at))
		return 0xff;
	if (chained(v))
		return v->vram[at & (VGA_VRAM - 1)];
	if (v->gr[GR_MODE] & GR_ODD_EVEN)
		return v->vram[odd_even(v, at, &plane)];
	memcpy(v->latch, planes_at(v, at), 4);
	if (!(v->gr[GR_MODE] & 8))
		return v->latch[v->gr[GR_READ_PLANE] & 3];
	for (unsigned p = 0; p < 4; p++)
		if (v->gr[GR_COMPARE_CARE] >> p & 1)
			differs |= v->latch[p] ^ (v->gr[GR_COMPARE] >> p & 1 ? 0xff : 0);
	return (uint8_t)~differs;
}

static uint8_t rotated(uint8_t v, unsigned n)
{
	return (uint8_t)(v >> n | v << (8 - n));
}

/* What goes to plane p in write modes 0, 2, 3, and under which bit mask. */
static uint8_t plane_value(const struct vga *v, unsigned p, uint8_t value, uint8_t *mask)
{
	uint8_t set = v->gr[GR_SET] >> p & 1 ? 0xff : 0;

	*mask = v->gr[GR_BIT_MASK];
	switch (v->gr[GR_MODE] & 3) {
	case 0:
		return v->gr[GR_SET_ENABLE] >> p & 1 ? set : rotated(value, v->gr[GR_ROTATE] & 7);
	case 2:
		return value >> p & 1 ? 0xff : 0;
	default:
		*mask &= rotated(value, v->gr[GR_ROTATE] & 7);
		return set;
	}
}

static uint8_t combined(const struct vga *v, uint8_t value, uint8_t latch)
{
	switch (v->gr[GR_ROTATE] >> 3 & 3) {
	case 1:
		return value & latch;
	case 2:
		return value | latch;
	case 3:
		return value ^ latch;
	default:
		return value;
	}
}

static void write_planes(struct vga *v, uint32_t at, uint8_t value)
{
	uint8_t *to = planes_at(v, at);

	for (unsigned p = 0; p < 4; p++) {
		uint8_t latch = v->latch[p], mask, one;

		if (!(v->seq[SEQ_PLANES] >> p & 1))
			continue;
		if ((v->gr[GR_MODE] & 3) == 1) {
			to[p] = latch;
			continue;
		}
		one = plane_value(v, p, value, &mask);
		to[p] = (uint8_t)((combined(v, one, latch) & mask) | (latch & ~mask));
	}
	vga_mark(v, (uint32_t)(to - v->vram));
}

void vga_window_write(struct vga *v, uint32_t offset, uint8_t value)
{
	uint32_t at;
	unsigned plane;

	if (!window_address(v, offset, &at))
		return;
	if (chained(v)) {
		plane = at & 3;
		at &= VGA_VRAM - 1;
	} else if (v->gr[GR_MODE] & GR_ODD_EVEN) {
		at = odd_even(v, at, &plane);
	} else {
		write_planes(v, at, value);
		return;
	}
	if (!(v->seq[SEQ_PLANES] >> plane & 1))
		return;
	v->vram[at] = value;
	vga_mark(v, at);
}
