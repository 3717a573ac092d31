/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Copying out of a scanout: clipped, compared, and safe when the desktop truncates or lies.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "display/source.h"

#define W    130
#define H    150
#define PAD  12 /* bytes a row beyond its pixels */
#define SKIP 100
#define BAND (64 * 8192 * 4)

struct fixture {
	struct disp_screen s;
	struct surface_scanout so;
	int fd;
	uint8_t *band;
};

static uint32_t pixel_at(uint32_t x, uint32_t y)
{
	return 0xff000000u | y << 12 | x;
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->so = (struct surface_scanout){1, W, H, W * 4 + PAD, SKIP, SKIP + H * (W * 4 + PAD)};
	f->fd = memfd_create("scanout", MFD_CLOEXEC);
	f->band = malloc(BAND);
	assert_int_equal(ftruncate(f->fd, (off_t)f->so.size), 0);
	for (uint32_t y = 0; y < H; y++) {
		for (uint32_t x = 0; x < W; x++) {
			uint32_t p = pixel_at(x, y);

			assert_int_equal(pwrite(f->fd, &p, 4, SKIP + y * (W * 4 + PAD) + x * 4), 4);
		}
	}
	assert_int_equal(disp_screen_init(&f->s), 0);
	return disp_screen_resize(&f->s, W, H);
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	free(f->band);
	disp_screen_fini(&f->s);
	free(f);
	return 0;
}

static int copy(struct fixture *f, int32_t x, int32_t y, int32_t w, int32_t h)
{
	return disp_source_copy(&f->s, f->fd, &f->so, (struct surface_rect){x, y, w, h}, f->band,
				BAND);
}

static void assert_copied(const struct fixture *f, uint32_t x0, uint32_t y0, uint32_t x1,
			  uint32_t y1)
{
	for (uint32_t y = 0; y < f->s.height; y++) {
		for (uint32_t x = 0; x < f->s.width; x++) {
			bool in = x >= x0 && x < x1 && y >= y0 && y < y1;

			assert_int_equal(f->s.pixels[y * f->s.width + x], in ? pixel_at(x, y) : 0);
		}
	}
}

static void all_of_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(copy(f, 0, 0, W, H), 0);
	assert_copied(f, 0, 0, W, H);
}

static void a_narrow_piece(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(copy(f, 60, 50, 9, 90), 0);
	assert_copied(f, 60, 50, 69, 140);
}

static void what_lies_outside_is_clipped(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(copy(f, 100, 120, 8192, 8192), 0);
	assert_copied(f, 100, 120, W, H);
	assert_int_equal(copy(f, 8000, 10, 100, 100), 0);
	assert_int_equal(copy(f, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX), 0);
	assert_copied(f, 100, 120, W, H);
}

/* Damage of a scanout that is larger than the screen still is. */
static void a_smaller_screen_is_respected(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disp_screen_resize(&f->s, 70, 40), 0);
	assert_int_equal(copy(f, 0, 0, W, H), 0);
	assert_copied(f, 0, 0, 70, 40);
}

static void a_larger_screen_gets_no_more_than_there_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disp_screen_resize(&f->s, 300, 300), 0);
	assert_int_equal(copy(f, 0, 0, 300, 300), 0);
	assert_copied(f, 0, 0, W, H);
}

static void a_truncated_scanout_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ftruncate(f->fd, SKIP + 20 * (W * 4 + PAD)), 0);
	assert_int_equal(copy(f, 0, 0, W, H), -ENODATA);
	assert_int_equal(copy(f, 0, 100, 5, 5), -ENODATA);
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(copy(f, 0, 0, 1, 1), -ENODATA);
}

static void a_small_band_is_enough(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disp_source_copy(&f->s, f->fd, &f->so, (struct surface_rect){0, 0, W, H},
					  f->band, f->so.stride),
			 0);
	assert_copied(f, 0, 0, W, H);
	assert_int_equal(disp_source_copy(&f->s, f->fd, &f->so, (struct surface_rect){0, 0, W, H},
					  f->band, f->so.stride - 1),
			 -EINVAL);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(all_of_it),
		one(a_narrow_piece),
		one(what_lies_outside_is_clipped),
		one(a_smaller_screen_is_respected),
		one(a_larger_screen_gets_no_more_than_there_is),
		one(a_truncated_scanout_is_an_error),
		one(a_small_band_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
