/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding what moved: pages that scroll either way and windows that are dragged are found to the
 * pixel; pictures that have nothing to do with one another are not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "display/scroll.h"

#define W 640
#define H 480

static uint32_t old[H][W], now[H][W];
static const struct surface_rect all = {0, 0, W, H};

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

/* Something like text in r: glyphs of 7 x 13 from an alphabet of 64, words and empty line ends. */
static void text(uint32_t (*p)[W], struct surface_rect r, uint32_t ground)
{
	static uint16_t font[64][13];

	for (int i = 0; !font[63][12] && i < 64 * 13; i++)
		font[i / 13][i % 13] = (uint16_t)(noise() & 0x7f) | 0x80;
	for (int32_t y = 0; y < r.height; y++) {
		for (int32_t x = 0; x < r.width; x++)
			p[r.y + y][r.x + x] = ground;
	}
	for (int32_t y = 0; y + 13 <= r.height; y += 13) {
		int32_t end = (int32_t)(noise() % (uint32_t)(r.width / 7));

		for (int32_t c = 0; c < end; c++) {
			uint32_t glyph = noise() % 64;

			for (int32_t i = 0; glyph > 9 && i < 11 * 7; i++) {
				if (font[glyph][i / 7] >> i % 7 & 1)
					p[r.y + y + 1 + i / 7][r.x + c * 7 + i % 7] = 0x202020;
			}
		}
	}
}

static bool find(struct disp_move *m)
{
	struct disp_scroll *s = disp_scroll_new();
	bool found;

	disp_scroll_begin(s);
	found = disp_scroll_find(s, old[0], now[0], W, all, m);
	disp_scroll_free(s);
	return found;
}

static void a_page_that_scrolls_up_is_found(void **state)
{
	struct disp_move m;

	(void)state;
	text(old, all, 0xffffff);
	text(now, all, 0xffffff);
	memcpy(now[0], old[13], sizeof(now[0]) * (H - 13));
	assert_true(find(&m));
	assert_int_equal(m.dx, 0);
	assert_int_equal(m.dy, -13);
	assert_int_equal(m.to.y, 0);
	assert_int_equal(m.to.width, W);
	assert_true(m.to.height >= H - 13);
	disp_scroll_apply(old[0], W, &m);
	assert_memory_equal(old, now, sizeof(now[0]) * (H - 13));
}

static void a_page_that_scrolls_sideways_is_found(void **state)
{
	struct disp_move m;

	(void)state;
	text(old, all, 0xffffff);
	text(now, all, 0xffffff);
	for (int y = 0; y < H; y++)
		memcpy(&now[y][37], old[y], (W - 37) * 4);
	assert_true(find(&m));
	assert_int_equal(m.dx, 37);
	assert_int_equal(m.dy, 0);
	disp_scroll_apply(old[0], W, &m);
	for (int y = 0; y < H; y++)
		assert_memory_equal(&old[y][37], &now[y][37], (W - 37) * 4);
}

static void drag(int32_t dx, int32_t dy)
{
	struct surface_rect window = {201, 149, 233, 171}, moved = window;
	struct disp_move m;

	for (int i = 0; i < W * H; i++)
		old[i / W][i % W] = now[i / W][i % W] = 0x305070;
	moved.x += dx;
	moved.y += dy;
	text(old, window, 0xeeeeee);
	for (int32_t y = 0; y < window.height; y++)
		memcpy(&now[moved.y + y][moved.x], &old[window.y + y][window.x],
		       (size_t)window.width * 4);
	assert_true(find(&m));
	assert_int_equal(m.dx, dx);
	assert_int_equal(m.dy, dy);
	/* All of the window, whatever of the ground around it goes along. */
	assert_true(m.to.x <= moved.x && m.to.y <= moved.y);
	assert_true(m.to.x + m.to.width >= moved.x + moved.width);
	assert_true(m.to.y + m.to.height >= moved.y + moved.height);
	disp_scroll_apply(old[0], W, &m);
	for (int32_t y = m.to.y; y < m.to.y + m.to.height; y++)
		assert_memory_equal(&old[y][m.to.x], &now[y][m.to.x], (size_t)m.to.width * 4);
}

static void a_dragged_window_is_found_to_the_pixel(void **state)
{
	(void)state;
	drag(11, -6);
	drag(-3, 0);
	drag(0, 2);
	drag(-40, 77);
}

static void the_same_distance_again_needs_no_search(void **state)
{
	struct disp_scroll *s = disp_scroll_new();
	struct disp_move m;

	(void)state;
	text(old, all, 0xffffff);
	for (int i = 0; i < 3; i++) {
		text(now, all, 0xffffff);
		memcpy(now[0], old[26], sizeof(now[0]) * (H - 26));
		disp_scroll_begin(s);
		assert_true(disp_scroll_find(s, old[0], now[0], W, all, &m));
		assert_int_equal(m.dy, -26);
		memcpy(old, now, sizeof(old));
	}
	disp_scroll_free(s);
}

static void pictures_that_are_strangers_have_no_move(void **state)
{
	struct disp_move m;

	(void)state;
	for (int i = 0; i < W * H; i++) {
		old[i / W][i % W] = noise();
		now[i / W][i % W] = noise();
	}
	assert_false(find(&m));
	text(old, all, 0xffffff);
	assert_false(find(&m));
}

static void a_plain_picture_has_no_move(void **state)
{
	struct disp_move m;

	(void)state;
	for (int i = 0; i < W * H; i++) {
		old[i / W][i % W] = 0;
		now[i / W][i % W] = i / W > 100 ? 0x112233 : 0;
	}
	assert_false(find(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_scrolls_up_is_found),
		cmocka_unit_test(a_page_that_scrolls_sideways_is_found),
		cmocka_unit_test(a_dragged_window_is_found_to_the_pixel),
		cmocka_unit_test(the_same_distance_again_needs_no_search),
		cmocka_unit_test(pictures_that_are_strangers_have_no_move),
		cmocka_unit_test(a_plain_picture_has_no_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
