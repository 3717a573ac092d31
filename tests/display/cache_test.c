/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a viewer keeps: found by most of its tiles, never what differs in shape, the longest unused
 * goes first, and nothing that this frame uses; a block takes what its pixels take.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "display/cache.h"
#include "display/screen.h"

#define ROOM (4ull * 256 * 256) /* of one slot */

static struct disp_block block(uint64_t seed)
{
	struct disp_block b = {.width = 256, .height = 256, .n = DISP_BLOCK_MAX};

	for (unsigned i = 0; i < b.n; i++)
		b.tile[i] = (struct disp_hash){seed, i};
	return b;
}

static void most_tiles_find_a_block(void **state)
{
	struct disp_cache *c = disp_cache_new(10, 10 * ROOM);
	struct disp_block b = block(1);
	uint32_t same = 0;

	(void)state;
	disp_cache_begin(c);
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	assert_int_equal(disp_cache_keep(c, &b), 1);
	assert_int_equal(disp_cache_keep(c, &b), 0); /* kept already */
	assert_int_equal(disp_cache_find(c, &b, &same), 1);
	assert_int_equal(same, 0xffff);
	for (unsigned i = 0; i < 4; i++)
		b.tile[i].high = 99;
	assert_int_equal(disp_cache_find(c, &b, &same), 1);
	assert_int_equal(same, 0xfff0);
	b.tile[7].low = 99; /* a quarter and one */
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	b = block(1);
	b.width = 255;
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	disp_cache_clear(c);
	b = block(1);
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	disp_cache_free(c);
}

static void the_longest_unused_goes_and_nothing_in_use(void **state)
{
	struct disp_cache *c = disp_cache_new(1000, 3 * ROOM + 5);
	struct disp_block b;
	const uint16_t *dropped;
	uint32_t n, same;

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		disp_cache_begin(c);
		b = block(i);
		assert_int_equal(disp_cache_keep(c, &b), i);
	}
	disp_cache_begin(c);
	disp_cache_use(c, 1);
	b = block(4);
	assert_int_equal(disp_cache_keep(c, &b), 2);
	b = block(5);
	assert_int_equal(disp_cache_keep(c, &b), 3);
	b = block(6);
	assert_int_equal(disp_cache_keep(c, &b), 0); /* all three are this frame's */
	dropped = disp_cache_dropped(c, &n);
	assert_int_equal(n, 2);
	assert_true(dropped[0] == 2 && dropped[1] == 3);
	b = block(1);
	assert_int_equal(disp_cache_find(c, &b, &same), 1);
	b = block(2);
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	disp_cache_free(c);
}

static struct disp_block narrow(uint64_t seed, uint32_t width)
{
	struct disp_block b = block(seed);

	b.width = width;
	b.n = DISP_BLOCK_MAX / 2;
	return b;
}

/* Blocks at an edge, of the size that just fits; who needs more gets the room of several, which are
 * named, but only if there is enough. */
static void a_block_takes_what_its_pixels_take(void **state)
{
	struct disp_cache *c = disp_cache_new(4, ROOM);
	struct disp_block b;
	const uint16_t *dropped;
	uint32_t n, same;

	(void)state;
	disp_cache_begin(c);
	b = narrow(1, 128);
	assert_int_equal(disp_cache_keep(c, &b), 1);
	b = narrow(2, 129);
	assert_int_equal(disp_cache_keep(c, &b), 0); /* a column too wide */
	b = narrow(2, 127);
	assert_int_equal(disp_cache_keep(c, &b), 2);
	b = narrow(3, 1);
	assert_int_equal(disp_cache_keep(c, &b), 3);
	disp_cache_begin(c);
	disp_cache_use(c, 3);
	b = block(4);
	assert_int_equal(disp_cache_keep(c, &b), 0); /* without a column there is not room for it */
	(void)disp_cache_dropped(c, &n);
	assert_int_equal(n, 0);
	b = narrow(1, 128);
	assert_int_equal(disp_cache_find(c, &b, &same), 1);
	disp_cache_begin(c);
	b = block(4);
	assert_int_equal(disp_cache_keep(c, &b), 1);
	dropped = disp_cache_dropped(c, &n);
	assert_int_equal(n, 3);
	assert_true(dropped[0] == 1 && dropped[1] == 2 && dropped[2] == 3);
	b = narrow(2, 127);
	assert_int_equal(disp_cache_find(c, &b, &same), 0);
	disp_cache_begin(c);
	(void)disp_cache_dropped(c, &n);
	assert_int_equal(n, 0);
	disp_cache_free(c);
}

static void a_pixel_makes_another_hash_and_what_is_beside_it_does_not(void **state)
{
	static uint32_t px[DISP_TILE * 80];
	struct disp_cache *c = disp_cache_new(1, ROOM);
	struct disp_hash a = disp_cache_hash(c, px, 80, 60, 30), b;

	(void)state;
	px[60] = 1; /* the pixel after the first row's last */
	b = disp_cache_hash(c, px, 80, 60, 30);
	assert_memory_equal(&a, &b, sizeof(a));
	px[59] = 1;
	b = disp_cache_hash(c, px, 80, 60, 30);
	assert_memory_not_equal(&a, &b, sizeof(a));
	disp_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_tiles_find_a_block),
		cmocka_unit_test(the_longest_unused_goes_and_nothing_in_use),
		cmocka_unit_test(a_block_takes_what_its_pixels_take),
		cmocka_unit_test(a_pixel_makes_another_hash_and_what_is_beside_it_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
