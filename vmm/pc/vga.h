/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The VGA's registers and memory as programs since 1987 expect them, with Bochs' display
 * extension for everything larger (IBM VGA Technical Reference; Bochs VBE_DISPI,
 * QEMU docs/specs/standard-vga.rst). No PCI and no screen in here: card.c has those.
 *
 * The four planes of byte n of VGA memory lie side by side at vram[4 * n]; seen that way the
 * chained 256-colour mode and linear modes are the same bytes in the same order.
 */
#ifndef PANE_VMM_PC_VGA_H
#define PANE_VMM_PC_VGA_H

#include <stdbool.h>
#include <stdint.h>

#define VGA_VRAM	 (16u << 20)
#define VGA_PAGES	 (VGA_VRAM >> 12)
#define VGA_PORTS	 0x3c0 /* 32 of them; monochrome ones are mirrored from VGA_PORTS_MONO */
#define VGA_PORTS_MONO	 0x3b0
#define VGA_MAX_WIDTH	 4096
#define VGA_MAX_HEIGHT	 4096
#define VGA_DISPI_INDEXS 11

struct vga {
	uint8_t *vram; /* borrowed, VGA_VRAM bytes; the guest may write it at any time */
	uint8_t misc, feature, status1;
	uint8_t seq_i, gr_i, cr_i, ar_i, seq[8], gr[16], cr[64], ar[32];
	bool ar_data; /* the next write to 0x3c0 is data */
	uint8_t dac_read, dac_write, dac_part, dac_state, dac_mask;
	uint8_t dac[256][3], dac_new[3];
	uint8_t latch[4];
	uint16_t dispi_i, dispi[VGA_DISPI_INDEXS];
	bool redraw;			/* something that shows everywhere changed */
	uint64_t dirty[VGA_PAGES / 64]; /* pages written through here */
};

enum vga_kind {
	VGA_BLANK,
	VGA_TEXT,
	VGA_PLANAR,  /* 16 colours, a bit of each in every plane */
	VGA_CGA,     /* 4 colours, two bits a pixel */
	VGA_INDEXED, /* 256 colours, every pixel twice as wide */
	VGA_LINEAR
};

/* What the registers say is on the screen: a pure function of them. */
struct vga_mode {
	enum vga_kind kind;
	uint32_t width, height; /* pixels on the screen */
	uint32_t start, pitch;	/* bytes in vram */
	uint8_t bits;		/* VGA_LINEAR: 8, 15, 16, 24, 32 */
	uint8_t glyph_width, glyph_height;
	uint8_t repeat; /* screen lines to a line of pixels */
	bool double_width;
};

void vga_init(struct vga *v, uint8_t *vram);
/* Port VGA_PORTS + n, one byte. */
uint8_t vga_port_read(struct vga *v, unsigned n);
void vga_port_write(struct vga *v, unsigned n, uint8_t value);
/* The display extension: index register (n 0) and data register (n 1). */
uint16_t vga_dispi_read(struct vga *v, unsigned n);
void vga_dispi_write(struct vga *v, unsigned n, uint16_t value);
/* Byte at 0xa0000 + offset, offset below 0x20000. */
uint8_t vga_window_read(struct vga *v, uint32_t offset);
void vga_window_write(struct vga *v, uint32_t offset, uint8_t value);
void vga_mark(struct vga *v, uint32_t at); /* vram[at] was written */

void vga_mode(const struct vga *v, struct vga_mode *m);
/* Line y of the screen as m->width opaque XRGB8888 pixels. */
void vga_draw_line(const struct vga *v, const struct vga_mode *m, uint32_t y, uint32_t *out);

#endif
