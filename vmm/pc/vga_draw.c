/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From registers and memory to pixels, a line at a time. Everything that is read from video memory
 * goes through at(), which wraps: no register value reaches outside it. Blinking is not drawn.
 */
#include "common/cleanup.h"
#include "common/wire.h"
#include "vmm/pc/vga.h"

#define OPAQUE 0xff000000u

enum {
	AR_PALETTE_ON = 0x20,
	AR_MODE = 0x10,
	AR_COLOUR_SELECT = 0x14,
	AR_GRAPHICS = 1,
	AR_LINE_GRAPHICS = 4,
	AR_BLINK = 8,
	AR_PAGE45 = 0x80
};
enum {
	DISPI_ENABLE = 4,
	DISPI_8BIT_DAC = 0x20
};

static uint8_t at(const struct vga *v, uint32_t n)
{
	return v->vram[n & (VGA_VRAM - 1)];
}

static uint8_t wide(uint8_t six)
{
	six &= 0x3f;
	return (uint8_t)(six << 2 | six >> 4);
}

static uint32_t colour(const struct vga *v, uint8_t index)
{
	const uint8_t *c = v->dac[index & v->dac_mask];

	if (v->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC)
		return OPAQUE | (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
	return OPAQUE | (uint32_t)wide(c[0]) << 16 | (uint32_t)wide(c[1]) << 8 | wide(c[2]);
}

/* Sixteen colours go through the attribute controller's palette first. */
static uint32_t colour16(const struct vga *v, unsigned index)
{
	uint8_t c = v->ar[index & 15] & 0x3f, select = v->ar[AR_COLOUR_SELECT];

	if (v->ar[AR_MODE] & AR_PAGE45)
		c = (uint8_t)((c & 0xf) | (select & 3) << 4);
	return colour(v, (uint8_t)(c | (select & 0xc) << 4));
}

/* ---- which mode ------------------------------------------------------------------------------ */

static void dispi_mode(const struct vga *v, struct vga_mode *m)
{
	uint32_t width = v->dispi[1], height = v->dispi[2], bits = v->dispi[3];
	uint32_t virtual = v->dispi[6] > width ? v->dispi[6] : width;
	uint32_t bytes = (bits + 7) / 8;
	uint64_t first;

	if (!width || !height || width > VGA_MAX_WIDTH || height > VGA_MAX_HEIGHT)
		return;
	if (bits == 4) { /* planar: a byte of every plane is eight pixels */
		*m = (struct vga_mode){.kind = VGA_PLANAR, .repeat = 1, .pitch = virtual / 8 * 4};
		first = (uint64_t)v->dispi[9] * m->pitch + v->dispi[8] / 8 * 4;
	} else if (bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32) {
		*m = (struct vga_mode){.kind = VGA_LINEAR,
				       .repeat = 1,
				       .bits = (uint8_t)bits,
				       .pitch = virtual * bytes};
		first = (uint64_t)v->dispi[9] * m->pitch + (uint64_t)v->dispi[8] * bytes;
	} else {
		return;
	}
	m->width = width;
	m->height = height;
	if (first + (uint64_t)m->pitch * height > VGA_VRAM)
		first = 0; /* where a mode does not fit, lines wrap */
	m->start = (uint32_t)first;
}

static uint32_t crtc_height(const struct vga *v)
{
	return (uint32_t)(v->cr[0x12] | (v->cr[7] & 2) << 7 | (v->cr[7] & 0x40) << 3) + 1;
}

static void text_mode(const struct vga *v, struct vga_mode *m)
{
	uint8_t high = (uint8_t)((v->cr[9] & 31) + 1), across = v->seq[1] & 1 ? 8 : 9;

	m->kind = VGA_TEXT;
	m->glyph_width = across;
	m->glyph_height = high;
	m->repeat = v->cr[9] & 0x80 ? 2 : 1;
	m->width = (v->cr[1] + 1u) * across;
	m->height = crtc_height(v);
}

static void graphics_mode(const struct vga *v, struct vga_mode *m)
{
	uint8_t shift = v->gr[5] >> 5 & 3;

	m->kind = shift == 0 ? VGA_PLANAR : shift == 1 ? VGA_CGA : VGA_INDEXED;
	m->width = (v->cr[1] + 1u) * 8;
	m->height = crtc_height(v);
	m->repeat = (uint8_t)(((v->cr[9] & 31) + 1) << (v->cr[9] >> 7));
	if (m->kind == VGA_CGA) /* the two line sets are told apart by the address, not doubled */
		m->repeat = (uint8_t)(1 << (v->cr[9] >> 7));
	m->double_width = m->kind != VGA_INDEXED && (v->seq[1] & 8);
	if (m->double_width)
		m->width *= 2;
}

void vga_mode(const struct vga *v, struct vga_mode *m)
{
	*m = (struct vga_mode){.repeat = 1};
	if (v->dispi[DISPI_ENABLE] & 1) {
		dispi_mode(v, m);
	} else {
		m->start = (uint32_t)(v->cr[12] << 8 | v->cr[13]) * 4;
		m->pitch = v->cr[0x13] * 8u;
		if (v->gr[6] & 1)
			graphics_mode(v, m);
		else
			text_mode(v, m);
	}
	if (m->width < 8 || m->height < 8 || m->width > VGA_MAX_WIDTH || m->height > VGA_MAX_HEIGHT)
		*m = (struct vga_mode){.repeat = 1};
	else if (!(v->ar_i & AR_PALETTE_ON))
		m->kind = VGA_BLANK;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The eight fonts of plane 2 lie 0, 16, 32, 48, 8, 24, 40, 56 KiB from its start. */
static uint32_t font_at(const struct vga *v, bool second)
{
	uint8_t s = v->seq[3];
	unsigned n = second ? (s & 3u) | (s >> 2 & 4u) : (s >> 2 & 3u) | (s >> 3 & 4u);

	return (n & 3) * 0x4000 + (n & 4 ? 0x2000 : 0);
}

static bool cursor_here(const struct vga *v, uint32_t cell, unsigned row)
{
	uint32_t at_cell = (uint32_t)(v->cr[14] << 8 | v->cr[15]) * 4;

	return cell == at_cell && !(v->cr[10] & 0x20) && row >= (v->cr[10] & 31u) &&
	       row <= (v->cr[11] & 31u);
}

static uint32_t *draw_glyph(const struct vga_mode *m, uint8_t bits, bool ninth, uint32_t fore,
			    uint32_t back, uint32_t *out)
{
	for (unsigned i = 0; i < 8; i++)
		*out++ = bits & 0x80 >> i ? fore : back;
	if (m->glyph_width == 9)
		*out++ = ninth ? fore : back;
	return out;
}

static void draw_text(const struct vga *v, const struct vga_mode *m, uint32_t y, uint32_t *out)
{
	uint32_t line = y / m->repeat, row = line % m->glyph_height;
	uint32_t cell = m->start + line / m->glyph_height * m->pitch;
	uint32_t fonts[2] = {font_at(v, false), font_at(v, true)};
	bool blink = v->ar[AR_MODE] & AR_BLINK, lines = v->ar[AR_MODE] & AR_LINE_GRAPHICS;
	uint32_t palette[16];

	for (unsigned i = 0; i < 16; i++)
		palette[i] = colour16(v, i);
	for (uint32_t x = 0; x < m->width / m->glyph_width; x++, cell += 4) {
		uint8_t c = at(v, cell), a = at(v, cell + 1);
		uint32_t fore = palette[a & 15], back = palette[blink ? a >> 4 & 7 : a >> 4];
		uint32_t font = fonts[fonts[0] != fonts[1] && (a & 8)];
		uint8_t bits = at(v, (font + c * 32u + row) * 4 + 2);

		if (cursor_here(v, cell, row))
			back = fore;
		out = draw_glyph(m, bits, lines && c >= 0xc0 && c <= 0xdf && (bits & 1), fore, back,
				 out);
	}
}

/* ---- graphics -------------------------------------------------------------------------------- */

/* Where screen line y begins. Without bit 0 of register 0x17 the lowest line counter replaces
 * address bit 13, in words or (bit 6) bytes: how CGA modes interleave. */
static uint32_t line_at(const struct vga *v, const struct vga_mode *m, uint32_t y)
{
	uint32_t line = y / m->repeat, bank = v->cr[0x17] & 0x40 ? 0x2000u * 4 : 0x2000u * 2;

	if (m->kind == VGA_LINEAR || (v->dispi[DISPI_ENABLE] & 1) || (v->cr[0x17] & 1))
		return m->start + line * m->pitch;
	return ((m->start + line / 2 * m->pitch) & ~bank) | (line & 1) * bank;
}

static void draw_planar(const struct vga *v, const struct vga_mode *m, uint32_t from, uint32_t *out)
{
	uint32_t palette[16], pixels = m->double_width ? m->width / 2 : m->width;
	uint8_t enabled = v->ar[0x12] & 15;

	for (unsigned i = 0; i < 16; i++)
		palette[i] = colour16(v, i & enabled);
	for (uint32_t x = 0; x < pixels; x++) {
		uint32_t byte = from + x / 8 * 4;
		unsigned bit = 7 - x % 8, index = 0;

		for (unsigned p = 0; p < 4; p++)
			index |= (unsigned)(at(v, byte + p) >> bit & 1) << p;
		*out++ = palette[index];
		if (m->double_width)
			*out++ = palette[index];
	}
}

static void draw_cga(const struct vga *v, const struct vga_mode *m, uint32_t from, uint32_t *out)
{
	uint32_t pixels = m->double_width ? m->width / 2 : m->width;

	for (uint32_t x = 0; x < pixels; x++) {
		uint8_t b = at(v, from + x / 8 * 4 + (x / 4 & 1));
		uint32_t c = colour16(v, b >> (6 - 2 * (x & 3)) & 3);

		*out++ = c;
		if (m->double_width)
			*out++ = c;
	}
}

static void draw_indexed(const struct vga *v, const struct vga_mode *m, uint32_t from,
			 uint32_t *out)
{
	for (uint32_t x = 0; x < m->width / 2; x++) {
		uint32_t c = colour(v, at(v, from + x));

		*out++ = c;
		*out++ = c;
	}
}

static uint32_t five(uint32_t v)
{
	return v << 3 | v >> 2;
}

static uint32_t pixel16(uint16_t p, bool green6)
{
	if (!green6)
		return OPAQUE | five(p >> 10 & 31) << 16 | five(p >> 5 & 31) << 8 | five(p & 31);

	uint32_t g = p >> 5 & 63;

	return OPAQUE | five(p >> 11) << 16 | (g << 2 | g >> 4) << 8 | five(p & 31);
}

static void draw_linear(const struct vga *v, const struct vga_mode *m, uint32_t from, uint32_t *out)
{
	uint32_t bytes = (m->bits + 7u) / 8;

	if ((uint64_t)from + (uint64_t)m->width * bytes > VGA_VRAM)
		from = 0;

	const uint8_t *p = v->vram + from;

	for (uint32_t x = 0; x < m->width; x++, p += bytes) {
		switch (m->bits) {
		case 8:
			out[x] = colour(v, *p);
			break;
		case 15:
		case 16:
			out[x] = pixel16(get_le16(p), m->bits == 16);
			break;
		case 24:
			out[x] = OPAQUE | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
			break;
		default:
			out[x] = OPAQUE | get_le32(p);
		}
	}
}

void vga_draw_line(const struct vga *v, const struct vga_mode *m, uint32_t y, uint32_t *out)
{
	uint32_t from = line_at(v, m, y);

	switch (m->kind) {
	case VGA_TEXT:
		draw_text(v, m, y, out);
		break;
	case VGA_PLANAR:
		draw_planar(v, m, from, out);
		break;
	case VGA_CGA:
		draw_cga(v, m, from, out);
		break;
	case VGA_INDEXED:
		draw_indexed(v, m, from, out);
		break;
	case VGA_LINEAR:
		draw_linear(v, m, from, out);
		break;
	default:
		for (uint32_t x = 0; x < m->width; x++)
			out[x] = OPAQUE;
	}
}
