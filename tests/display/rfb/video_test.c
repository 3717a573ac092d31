/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Open H.264: a rectangle is made even within the tiles that will be made exact afterwards.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "display/join.h"
#include "display/rfb/video.h"

static bool tiles_are_the_same(int32_t at, int32_t size, int32_t new_at, int32_t new_size)
{
	return at / DISP_TILE == new_at / DISP_TILE &&
	       (at + size - 1) / DISP_TILE == (new_at + new_size - 1) / DISP_TILE;
}

static void a_side_grows_within_its_tiles_and_the_picture(void **state)
{
	enum {
		LIMIT = 257
	}; /* its last tile is one pixel wide */

	(void)state;
	for (int32_t at = 0; at < LIMIT; at++) {
		for (int32_t size = 1; at + size <= LIMIT; size++) {
			struct surface_rect r = {at, 64, size, 64};

			if (!disp_rfb_video_even(&r, LIMIT, 256)) {
				/* nowhere to grow to */
				assert_int_equal(at % DISP_TILE, 0);
				assert_true((at + size) % DISP_TILE == 0 || at + size == LIMIT);
				continue;
			}
			assert_int_equal(r.width % 2, 0);
			assert_true(r.width - size <= 1);
			assert_true(r.x <= at && r.x + r.width >= at + size && r.x >= 0 &&
				    r.x + r.width <= LIMIT);
			assert_true(tiles_are_the_same(at, size, r.x, r.width));
			assert_int_equal(r.y, 64);
			assert_int_equal(r.height, 64);
		}
	}
}

static void an_odd_height_grows_too(void **state)
{
	struct surface_rect r = {0, 10, 64, 53};

	(void)state;
	assert_true(disp_rfb_video_even(&r, 640, 480));
	assert_int_equal(r.height, 54);
	assert_int_equal(r.y, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_side_grows_within_its_tiles_and_the_picture),
		cmocka_unit_test(an_odd_height_grows_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
