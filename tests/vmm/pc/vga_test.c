/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/vga.c and vga_draw.c: memory in every write mode, text with its font, planar and linear
 * pixels, and modes that do not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/pc/vga.h"

struct bench {
	struct vga v;
	uint32_t line[VGA_MAX_WIDTH];
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	void *vram = calloc(1, VGA_VRAM);

	vga_init(&b->v, vram);
	*state = b;
	return vram ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	free(b->v.vram);
	free(b);
	return 0;
}

static void reg(struct bench *b, unsigned index_port, uint8_t index, uint8_t value)
{
	vga_port_write(&b->v, index_port, index);
	vga_port_write(&b->v, index_port + 1, value);
}

static void attribute(struct bench *b, uint8_t index, uint8_t value)
{
	(void)vga_port_read(&b->v, 0x1a);
	vga_port_write(&b->v, 0, index);
	vga_port_write(&b->v, 0, value);
}

enum {
	SEQ = 4,
	GR = 0xe,
	CR = 0x14
};

static void colour(struct bench *b, uint8_t index, uint8_t r, uint8_t g, uint8_t blue)
{
	vga_port_write(&b->v, 8, index);
	vga_port_write(&b->v, 9, r);
	vga_port_write(&b->v, 9, g);
	vga_port_write(&b->v, 9, blue);
}

/* 80 x 25 characters of 9 x 16 dots at 0xb8000, as the BIOS sets mode 3. */
static void text_mode(struct bench *b)
{
	for (uint8_t i = 0; i < 16; i++)
		attribute(b, i, i);
	attribute(b, 0x10, 0x0c);
	vga_port_write(&b->v, 0, 0x20);
	reg(b, SEQ, 1, 0);
	reg(b, SEQ, 2, 3);
	reg(b, SEQ, 4, 2);
	reg(b, GR, 5, 0x10);
	reg(b, GR, 6, 0x0e);
	reg(b, CR, 1, 79);
	reg(b, CR, 9, 0x4f);
	reg(b, CR, 10, 13);
	reg(b, CR, 11, 14);
	reg(b, CR, 7, 0x1f);
	reg(b, CR, 0x12, 0x8f);
	reg(b, CR, 0x13, 40);
	colour(b, 1, 0, 0, 42);
	colour(b, 7, 42, 42, 42);
}

static void glyph(struct bench *b, uint8_t c, const uint8_t *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b->v.vram[(c * 32u + i) * 4 + 2] = rows[i];
}

static void test_text(void **state)
{
	static const uint8_t rows[] = {0x80, 0x01};
	struct bench *b = *state;
	struct vga_mode m;

	text_mode(b);
	glyph(b, 'A', rows, 2);
	glyph(b, 0xc4, rows, 2);
	vga_window_write(&b->v, 0x18000 + 162, 'A'); /* row 1, column 1 */
	vga_window_write(&b->v, 0x18000 + 163, 0x17);
	vga_window_write(&b->v, 0x18000 + 164, 0xc4);
	vga_window_write(&b->v, 0x18000 + 165, 0x17);
	assert_int_equal(vga_window_read(&b->v, 0x18000 + 162), 'A');
	vga_mode(&b->v, &m);
	assert_int_equal(m.kind, VGA_TEXT);
	assert_int_equal(m.width, 720);
	assert_int_equal(m.height, 400);
	vga_draw_line(&b->v, &m, 16, b->line);
	assert_int_equal(b->line[8], 0xff000000);
	assert_int_equal(b->line[9], 0xffaaaaaa);
	assert_int_equal(b->line[10], 0xff0000aa);
	vga_draw_line(&b->v, &m, 17, b->line);
	assert_int_equal(b->line[16], 0xffaaaaaa);
	assert_int_equal(b->line[17], 0xff0000aa); /* the ninth dot is background */
	assert_int_equal(b->line[26], 0xffaaaaaa); /* but for line graphics */
}

static void test_cursor(void **state)
{
	struct bench *b = *state;
	struct vga_mode m;

	text_mode(b);
	vga_window_write(&b->v, 0x18000 + 3, 7);
	reg(b, CR, 15, 1);
	vga_mode(&b->v, &m);
	vga_draw_line(&b->v, &m, 13, b->line);
	assert_int_equal(b->line[9], 0xffaaaaaa);
	vga_draw_line(&b->v, &m, 12, b->line);
	assert_int_equal(b->line[9], 0xff000000);
	reg(b, CR, 10, 0x2d); /* off */
	vga_draw_line(&b->v, &m, 13, b->line);
	assert_int_equal(b->line[9], 0xff000000);
}

/* 640 x 480 in 16 colours, mode 0x12. */
static void planar_mode(struct bench *b)
{
	for (uint8_t i = 0; i < 16; i++)
		attribute(b, i, i);
	attribute(b, 0x10, 1);
	attribute(b, 0x12, 15);
	vga_port_write(&b->v, 0, 0x20);
	reg(b, SEQ, 1, 1);
	reg(b, SEQ, 2, 15);
	reg(b, SEQ, 4, 6);
	reg(b, GR, 5, 0);
	reg(b, GR, 6, 5);
	reg(b, GR, 8, 0xff);
	reg(b, CR, 1, 79);
	reg(b, CR, 9, 0x40);
	reg(b, CR, 7, 0x3e);
	reg(b, CR, 0x12, 0xdf);
	reg(b, CR, 0x13, 40);
	reg(b, CR, 0x17, 0xe3);
	colour(b, 5, 63, 0, 0);
}

static void test_planar(void **state)
{
	struct bench *b = *state;
	struct vga_mode m;

	planar_mode(b);
	vga_mode(&b->v, &m);
	assert_int_equal(m.kind, VGA_PLANAR);
	assert_int_equal(m.width, 640);
	assert_int_equal(m.height, 480);
	reg(b, GR, 5, 2); /* write mode 2: a colour to all eight pixels under the mask */
	reg(b, GR, 8, 0x40);
	(void)vga_window_read(&b->v, 80); /* fills the latches */
	vga_window_write(&b->v, 80, 5);
	reg(b, GR, 5, 0);
	vga_draw_line(&b->v, &m, 1, b->line);
	assert_int_equal(b->line[0], 0xff000000);
	assert_int_equal(b->line[1], 0xffff0000);
	assert_int_equal(b->line[2], 0xff000000);
}

static void test_write_modes(void **state)
{
	struct bench *b = *state;

	planar_mode(b);
	reg(b, GR, 3, 0x04); /* rotate by four */
	vga_window_write(&b->v, 0, 0x12);
	assert_int_equal(vga_window_read(&b->v, 0), 0x21);
	reg(b, GR, 3, 0x18); /* exclusive or with the latches */
	vga_window_write(&b->v, 0, 0xff);
	assert_int_equal(vga_window_read(&b->v, 0), 0xde);
	reg(b, GR, 5, 1); /* write mode 1: the latches as they are */
	vga_window_write(&b->v, 1, 0);
	reg(b, GR, 5, 0);
	assert_int_equal(vga_window_read(&b->v, 1), 0xde);
	reg(b, GR, 3, 0);
	reg(b, GR, 0, 5); /* write mode 3: set/reset colour, data as mask */
	reg(b, GR, 5, 3);
	(void)vga_window_read(&b->v, 2);
	vga_window_write(&b->v, 2, 0x0f);
	reg(b, GR, 5, 8); /* read mode 1: which pixels have colour 5 */
	reg(b, GR, 2, 5);
	reg(b, GR, 7, 15);
	assert_int_equal(vga_window_read(&b->v, 2), 0x0f);
	reg(b, SEQ, 2, 1); /* only plane 0 */
	reg(b, GR, 5, 0);
	vga_window_write(&b->v, 3, 0xff);
	reg(b, GR, 4, 1);
	assert_int_equal(vga_window_read(&b->v, 3), 0);
}

static void dispi(struct bench *b, uint16_t index, uint16_t value)
{
	vga_dispi_write(&b->v, 0, index);
	vga_dispi_write(&b->v, 1, value);
}

static void linear_mode(struct bench *b, uint16_t w, uint16_t h, uint16_t bits)
{
	dispi(b, 4, 0);
	dispi(b, 1, w);
	dispi(b, 2, h);
	dispi(b, 3, bits);
	dispi(b, 4, 0x41);
	vga_port_write(&b->v, 0, 0x20);
}

static void test_linear(void **state)
{
	struct bench *b = *state;
	struct vga_mode m;

	(void)vga_port_read(&b->v, 0x1a);
	linear_mode(b, 800, 600, 32);
	memcpy(b->v.vram + 4 * (800 * 2 + 3), "\x33\x22\x11\x00", 4);
	vga_mode(&b->v, &m);
	assert_int_equal(m.kind, VGA_LINEAR);
	assert_int_equal(m.width, 800);
	vga_draw_line(&b->v, &m, 2, b->line);
	assert_int_equal(b->line[3], 0xff112233);
	linear_mode(b, 800, 600, 16);
	memcpy(b->v.vram, "\x00\xf8", 2);
	vga_mode(&b->v, &m);
	vga_draw_line(&b->v, &m, 0, b->line);
	assert_int_equal(b->line[0], 0xffff0000);
	dispi(b, 6, 1024); /* a wider line, and a part of it */
	dispi(b, 9, 10);
	vga_mode(&b->v, &m);
	assert_int_equal(m.pitch, 2048);
	assert_int_equal(m.start, 20480);
}

static void test_caps(void **state)
{
	struct bench *b = *state;

	vga_dispi_write(&b->v, 0, 0);
	assert_int_equal(vga_dispi_read(&b->v, 1), 0xb0c5);
	dispi(b, 4, 2);
	vga_dispi_write(&b->v, 0, 1);
	assert_int_equal(vga_dispi_read(&b->v, 1), VGA_MAX_WIDTH);
	vga_dispi_write(&b->v, 0, 10);
	assert_int_equal(vga_dispi_read(&b->v, 1), VGA_VRAM >> 16);
	vga_dispi_write(&b->v, 0, 999);
	assert_int_equal(vga_dispi_read(&b->v, 1), 0xffff);
}

/* Whatever the registers say, drawing stays inside video memory and the line. */
static void test_no_fit(void **state)
{
	struct bench *b = *state;
	struct vga_mode m;

	linear_mode(b, 4096, 4096, 32);
	dispi(b, 6, 0xffff);
	dispi(b, 8, 0xffff);
	dispi(b, 9, 0xffff);
	vga_mode(&b->v, &m);
	vga_draw_line(&b->v, &m, 4095, b->line);
	linear_mode(b, 0xffff, 10, 32);
	vga_mode(&b->v, &m);
	assert_int_equal(m.width, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cursor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_planar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_linear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_fit, setup, teardown),
	};

	return cmocka_run_group_tests_name("vga: memory and pixels", tests, NULL, NULL);
}
