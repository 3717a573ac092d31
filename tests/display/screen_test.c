/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading a scanout: exactly what was asked for, and safe when the desktop truncates or lies; what
 * damage marks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "display/screen.h"

#define W     130
#define H     150
#define PAD   12 /* bytes a row beyond its pixels */
#define SKIP  100
#define LIMIT 40 /* a rectangle this narrow is read row by row */

struct fixture {
	struct disp_screen s;
	struct surface_scanout so;
	int fd;
	uint32_t out[H * W];
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
	assert_int_equal(ftruncate(f->fd, (off_t)f->so.size), 0);
	for (uint32_t y = 0; y < H; y++) {
		for (uint32_t x = 0; x < W; x++) {
			uint32_t p = pixel_at(x, y);

			assert_int_equal(pwrite(f->fd, &p, 4, SKIP + y * (W * 4 + PAD) + x * 4), 4);
		}
	}
	assert_int_equal(disp_screen_init(&f->s), 0);
	return disp_screen_scanout(&f->s, f->fd, &f->so);
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	disp_screen_fini(&f->s);
	free(f);
	return 0;
}

static int get(struct fixture *f, int32_t x, int32_t y, int32_t w, int32_t h)
{
	memset(f->out, 0, sizeof(f->out));
	return disp_screen_read(&f->s, (struct surface_rect){x, y, w, h}, f->out + y * W + x, W);
}

static void assert_got(const struct fixture *f, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1)
{
	for (uint32_t y = 0; y < H; y++) {
		for (uint32_t x = 0; x < W; x++) {
			bool in = x >= x0 && x < x1 && y >= y0 && y < y1;

			assert_int_equal(f->out[y * W + x], in ? pixel_at(x, y) : 0);
		}
	}
}

static void all_of_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0, 0, W, H), 0);
	assert_got(f, 0, 0, W, H);
}

static void pieces_narrow_and_wide(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 60, 50, 9, 90), 0);
	assert_got(f, 60, 50, 69, 140);
	assert_int_equal(get(f, 10, 3, LIMIT + 40, 129), 0);
	assert_got(f, 10, 3, 10 + LIMIT + 40, 132);
	assert_int_equal(get(f, W - 1, H - 1, 1, 1), 0);
	assert_got(f, W - 1, H - 1, W, H);
}

static void a_truncated_scanout_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ftruncate(f->fd, SKIP + 20 * (W * 4 + PAD)), 0);
	assert_int_equal(get(f, 0, 0, W, H), -ENODATA);
	assert_got(f, 0, 0, W, 20); /* what could be read has been */
	assert_int_equal(get(f, 0, 100, 5, 5), -ENODATA);
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(get(f, 0, 0, 1, 1), -ENODATA);
}

/* A screen without a scanout is black, and one that had one keeps it. */
static void the_last_picture_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disp_screen_resize(&f->s, W, H), 0);
	close(f->fd);
	f->fd = -1;
	assert_int_equal(get(f, 0, 0, W, H), 0);
	assert_got(f, 0, 0, W, H);
	assert_int_equal(disp_screen_resize(&f->s, W / 2, H / 2), 0);
	assert_int_equal(get(f, 0, 0, W / 2, H / 2), 0);
	assert_got(f, 0, 0, 0, 0);
}

static void rows_that_overlap_are_refused(void **state)
{
	struct fixture *f = *state;

	f->so.stride = W * 4 - 4;
	assert_int_equal(disp_screen_scanout(&f->s, f->fd, &f->so), -EINVAL);
	assert_int_equal(disp_screen_scanout(&f->s, -1, &f->so), -EINVAL);
	f->so.stride = W * 4 + PAD;
	assert_int_equal(disp_screen_scanout(&f->s, -1, &f->so), -EBADF);
	assert_int_equal(get(f, 0, 0, W, H), 0);
	assert_got(f, 0, 0, W, H);
}

static unsigned marked(struct fixture *f, int32_t x, int32_t y, int32_t w, int32_t h)
{
	struct disp_feed feed;
	unsigned n = 0;

	assert_int_equal(disp_feed_open(&f->s, &feed), 0);
	memset(feed.dirty, 0, disp_tiles(W) * disp_tiles(H));
	disp_screen_damage(&f->s, (struct surface_rect){x, y, w, h});
	for (uint32_t i = 0; i < disp_tiles(W) * disp_tiles(H); i++)
		n |= (unsigned)feed.dirty[i] << i;
	disp_feed_close(&f->s, &feed);
	return n;
}

static void damage_marks_what_it_touches(void **state)
{
	struct fixture *f = *state; /* three tiles by three */

	assert_int_equal(marked(f, 63, 0, 1, 64), 0x001);
	assert_int_equal(marked(f, 63, 63, 2, 2), 0x01b);
	assert_int_equal(marked(f, 100, 120, 8192, 8192), 0x1b0);
	assert_int_equal(marked(f, -5, -5, 6, 6), 0x001);
	assert_int_equal(marked(f, 8000, 10, 100, 100), 0);
	assert_int_equal(marked(f, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX), 0);
	assert_int_equal(marked(f, 5, 5, 0, 3), 0);
	assert_int_equal(marked(f, 5, 5, -3, 3), 0);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(all_of_it),
		one(pieces_narrow_and_wide),
		one(a_truncated_scanout_is_an_error),
		one(the_last_picture_stays),
		one(rows_that_overlap_are_refused),
		one(damage_marks_what_it_touches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
