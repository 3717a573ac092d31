/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/surface.c: every message survives the wire; nonsense is refused; damage stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/surface.h"
#include "common/wire.h"

static struct surface_msg *fresh(enum surface_type t)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->type = t;
	m->fd = -1;
	return m;
}

static void scanout_and_its_descriptor_arrive(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_SCANOUT), *r = fresh(SURFACE_HELLO);
	int sv[2], fd = memfd_create("t", 0);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(ftruncate(fd, 64 * 48 * 4), 0);
	m->scanout = (struct surface_scanout){7, 64, 48, 256, 0, 64 * 48 * 4};
	m->fd = fd;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	assert_memory_equal(&m->scanout, &r->scanout, sizeof(m->scanout));
	assert_true(r->fd >= 0);
	close(r->fd);
	/* The file is shorter than the message says. */
	assert_int_equal(ftruncate(fd, 64 * 48 * 4 - 1), 0);
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	/* No descriptor at all. */
	m->fd = -1;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	close(sv[0]);
	assert_int_equal(surface_recv(sv[1], r), 0);
	close(sv[1]);
	close(fd);
}

static void every_small_message_round_trips(void **state)
{
	static const enum surface_type all[] = {
		SURFACE_HELLO,	 SURFACE_CURSOR_POS, SURFACE_KEY,
		SURFACE_POINTER, SURFACE_BUTTON,     SURFACE_WHEEL,
		SURFACE_RESIZE,	 SURFACE_VIEWERS,    SURFACE_POINTER_REL};
	cleanup_free struct surface_msg *m = fresh(SURFACE_HELLO), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		int n;

		m->type = all[i];
		m->resize.width = 1;
		m->resize.height = 1;
		m->resize.scale_percent = all[i] == SURFACE_RESIZE ? 100 : 0;
		n = surface_encode(m, wire, sizeof(wire));
		assert_true(n > SURFACE_HEAD);
		assert_int_equal(surface_decode(r, wire, (size_t)n), 0);
		assert_int_equal(r->type, all[i]);
		assert_memory_equal(&m->resize, &r->resize, all[i] == SURFACE_RESIZE ? 12 : 4);
		assert_int_equal(surface_decode(r, wire, (size_t)n - 1), -EPROTO);
	}
}

static void damage_outside_the_largest_screen_is_refused(void **state)
{
	static const struct surface_rect bad[] = {
		{-1, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 1, -5}, {8192, 0, 1, 1}, {1, 0, 0x7fffffff, 1}};
	cleanup_free struct surface_msg *m = fresh(SURFACE_DAMAGE), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	m->damage.n = 1;
	m->damage.rects[0] = (struct surface_rect){8191, 8191, 1, 1};
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))), 0);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		m->damage.rects[0] = bad[i];
		assert_int_equal(
			surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			-EPROTO);
	}
	/* A count that does not match the length. */
	m->damage.rects[0] = (struct surface_rect){0, 0, 1, 1};
	assert_true(surface_encode(m, wire, sizeof(wire)) > 0);
	put_le32(wire + SURFACE_HEAD + 4, 200);
	assert_int_equal(surface_decode(r, wire, SURFACE_HEAD + 8 + 16), -EPROTO);
}

static void cursor_geometry_is_checked(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_CURSOR_SHAPE), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	int n;

	(void)state;
	m->cursor.width = m->cursor.height = 96;
	m->cursor.hot_x = 95;
	m->cursor.pixels[96 * 96 - 1] = 0x80123456;
	n = surface_encode(m, wire, sizeof(wire));
	assert_int_equal(surface_decode(r, wire, (size_t)n), 0);
	assert_int_equal(r->cursor.pixels[96 * 96 - 1], 0x80123456);
	put_le32(wire + SURFACE_HEAD + 8, 96); /* hot spot beside the picture */
	assert_int_equal(surface_decode(r, wire, (size_t)n), -EPROTO);
	m->cursor.width = 97;
	assert_int_equal(surface_encode(m, wire, sizeof(wire)), -EINVAL);
}

static void damage_merges_instead_of_growing(void **state)
{
	static struct surface_damage d;

	(void)state;
	surface_damage_add(&d, (struct surface_rect){0, 0, 10, 10});
	surface_damage_add(&d, (struct surface_rect){2, 2, 3, 3});
	assert_int_equal(d.n, 1);
	for (int i = 0; i < 1000; i++)
		surface_damage_add(&d, (struct surface_rect){i * 8, (i * 37) % 4000, 4, 4});
	assert_true(d.n <= SURFACE_MAX_RECTS);
	/* Whatever was merged, the first and the last are still covered. */
	for (int k = 0; k < 2; k++) {
		struct surface_rect w = {k ? 999 * 8 : 0, k ? (999 * 37) % 4000 : 0, 4, 4};
		bool covered = false;

		for (uint32_t i = 0; i < d.n; i++)
			covered |= d.rects[i].x <= w.x && d.rects[i].y <= w.y &&
				   d.rects[i].x + d.rects[i].width >= w.x + 4 &&
				   d.rects[i].y + d.rects[i].height >= w.y + 4;
		assert_true(covered);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scanout_and_its_descriptor_arrive),
		cmocka_unit_test(every_small_message_round_trips),
		cmocka_unit_test(damage_outside_the_largest_screen_is_refused),
		cmocka_unit_test(cursor_geometry_is_checked),
		cmocka_unit_test(damage_merges_instead_of_growing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
