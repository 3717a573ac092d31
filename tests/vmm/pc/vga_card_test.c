/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/vga_card.c: the framebuffer follows its BAR, what is written becomes damage, and only
 * that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/io.h"
#include "vmm/layout.h"
#include "vmm/pc/vga_card.h"

struct bench {
	struct pci_bus *bus;
	struct vm_io io;
	struct vga_card card;
	uint64_t shown_at;
	unsigned frames;
	int page; /* the dirty log reports it once; -1 none */
};

static int on_map(void *arg, uint64_t gpa, uint64_t size, void *memory)
{
	struct bench *b = arg;

	assert_true(!size || (size == VGA_VRAM && memory == b->card.vga.vram));
	b->shown_at = gpa;
	return 0;
}

static int on_dirty(void *arg, uint64_t *bitmap)
{
	struct bench *b = arg;

	memset(bitmap, 0, VGA_PAGES / 8);
	if (b->page >= 0)
		bitmap[b->page / 64] |= 1ull << b->page % 64;
	b->page = -1;
	return 0;
}

static void on_frame(void *arg)
{
	((struct bench *)arg)->frames++;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct vga_host host = {.arg = b, .map = on_map, .dirty = on_dirty};

	b->page = -1;
	b->bus = pci_bus_new(NULL);
	b->io.pci = b->bus;
	*state = b;
	if (!b->bus || vga_card_add(&b->card, &b->io, &host, 1280, 800, NULL) < 0 ||
	    vga_card_plug(&b->card, b->bus, NULL) < 0)
		return -1;
	b->card.frame = on_frame;
	b->card.arg = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	vga_card_fini(&b->card);
	pci_bus_free(b->bus);
	free(b);
	return 0;
}

static void out(struct bench *b, uint16_t port, unsigned size, uint64_t v)
{
	vm_io_access(&b->io, true, true, port, size, &v);
}

static uint64_t read_at(struct bench *b, uint64_t at, unsigned size)
{
	uint64_t v = 0;

	vm_io_access(&b->io, false, false, at, size, &v);
	return v;
}

static void enable(struct bench *b, uint32_t at)
{
	pci_config_write(b->bus, 0x10, 4, at);
	pci_config_write(b->bus, 0x18, 4, 0xfe000000);
	pci_config_write(b->bus, 0x04, 2, 3);
}

static void linear_mode(struct bench *b)
{
	static const uint16_t set[][2] = {{4, 0}, {1, 640}, {2, 480}, {3, 32}, {4, 0x41}};

	for (unsigned i = 0; i < 5; i++) {
		out(b, 0x1ce, 2, set[i][0]);
		out(b, 0x1cf, 2, set[i][1]);
	}
	out(b, 0x3c0, 1, 0x20);
}

static void test_bar(void **state)
{
	struct bench *b = *state;

	enable(b, 0xfd000000);
	assert_int_equal(b->shown_at, 0xfd000000);
	pci_config_write(b->bus, 0x10, 4, 0xe0000000);
	assert_int_equal(b->shown_at, 0xe0000000);
	pci_config_write(b->bus, 0x04, 2, 0);
	assert_int_equal(b->shown_at, 0);
}

static void test_registers_in_memory(void **state)
{
	struct bench *b = *state;
	uint64_t v = 0x41;

	enable(b, 0xfd000000);
	assert_int_equal(read_at(b, 0xfe000000, 4), 0xffffff00); /* an EDID begins so */
	assert_int_equal(read_at(b, 0xfe000500, 2), 0xb0c5);
	assert_int_equal(read_at(b, 0xfe000604, 4), 0x1e1e1e1e);
	vm_io_access(&b->io, false, true, 0xfe000508, 2, &v);
	assert_int_equal(b->card.vga.dispi[4], 0x41);
}

static void test_damage(void **state)
{
	struct bench *b = *state;

	enable(b, 0xfd000000);
	linear_mode(b);
	assert_int_equal(vga_card_draw(&b->card), 1);
	assert_int_equal(b->card.mode.width, 640);
	assert_int_equal(vga_card_draw(&b->card), 0); /* nothing changed */
	memset(b->card.vga.vram + 640 * 4 * 100, 0xff, 4);
	assert_int_equal(vga_card_draw(&b->card), 0); /* the log does not say so yet */
	b->page = 640 * 4 * 100 / 4096;
	assert_int_equal(vga_card_draw(&b->card), 1);
	assert_int_equal(b->card.pixels[640 * 100], 0xffffffff);
	b->page = 640 * 4 * 100 / 4096; /* written, but with what was there */
	assert_int_equal(vga_card_draw(&b->card), 0);
	assert_int_equal(b->frames, 2);
}

static void test_unmapped_framebuffer(void **state)
{
	struct bench *b = *state;
	uint64_t v = 0x00aabbcc;

	b->card.host.map = NULL; /* a host without memory slots: every access arrives */
	enable(b, 0xfd000000);
	linear_mode(b);
	(void)vga_card_draw(&b->card);
	vm_io_access(&b->io, false, true, 0xfd000000 + 4 * 5, 4, &v);
	assert_int_equal(read_at(b, 0xfd000000 + 4 * 5, 4), v);
	assert_int_equal(vga_card_draw(&b->card), 1);
	assert_int_equal(b->card.pixels[5], 0xffaabbcc);
}

static void test_mono_ports(void **state)
{
	struct bench *b = *state;
	uint64_t v;

	out(b, 0x3c2, 1, 0); /* monochrome addresses */
	out(b, 0x3b4, 2, 0x550f);
	assert_int_equal(b->card.vga.cr[15], 0x55);
	vm_io_access(&b->io, true, false, 0x3d5, 1, &v);
	assert_int_equal((uint8_t)v, 0xff);
	out(b, 0x3c2, 1, 1);
	out(b, 0x3d4, 2, 0x660f);
	assert_int_equal(b->card.vga.cr[15], 0x66);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bar, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers_in_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmapped_framebuffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mono_ports, setup, teardown),
	};

	return cmocka_run_group_tests_name("vga card: BARs and damage", tests, NULL, NULL);
}
