/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/host/thumb.c: what is shrunk is what was there, in the right proportions, and a file that
 * ends early is an error and nothing worse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jpeglib.h>

#include "vmm/host/pictures.h"
#include "vmm/host/thumb.h"

static struct host_thumb thumb;

/* A screen whose left half is red and right half blue, in a file with a gap in front. */
static int screen(uint32_t w, uint32_t h, struct surface_scanout *sc)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);

	*sc = (struct surface_scanout){.id = 1,
				       .width = w,
				       .height = h,
				       .stride = w * 4 + 64,
				       .offset = 4096,
				       .size = 4096 + (uint64_t)(w * 4 + 64) * h};
	assert_return_code(ftruncate(fd, (off_t)sc->size), errno);
	uint32_t *row = calloc(1, sc->stride);

	for (uint32_t x = 0; x < w; x++)
		row[x] = x < w / 2 ? 0xffff0000 : 0xff0000ff;
	for (uint32_t y = 0; y < h; y++)
		assert_int_equal(
			pwrite(fd, row, sc->stride, (off_t)(sc->offset + (uint64_t)sc->stride * y)),
			sc->stride);
	free(row);
	return fd;
}

static void any_size_is_shrunk_in_proportion(void **state)
{
	(void)state;
	static const struct {
		uint32_t w, h, to_w, to_h;
	} sizes[] = {{1280, 800, 320, 200}, {1920, 1080, 320, 180}, {600, 1200, 100, 200},
		     {8192, 1, 320, 1},	    {100, 50, 100, 50},	    {1366, 768, 320, 179}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct surface_scanout sc;
		int fd = screen(sizes[i].w, sizes[i].h, &sc);
		const uint32_t *line;

		assert_return_code(host_thumb_read(fd, &sc, &thumb), 0);
		assert_int_equal(thumb.width, sizes[i].to_w);
		assert_int_equal(thumb.height, sizes[i].to_h);
		line = thumb.pixels + (size_t)(thumb.height - 1) * thumb.width;
		assert_in_range(line[thumb.width / 4] >> 16 & 0xff, 250, 255);
		assert_in_range(line[thumb.width / 4] & 0xffff, 0, 4);
		assert_in_range(line[thumb.width * 3 / 4] & 0xff, 250, 255);
		assert_in_range(line[thumb.width * 3 / 4] >> 8 & 0xffff, 0, 4);
		close(fd);
	}
}

static void a_file_cut_short_is_an_error(void **state)
{
	(void)state;
	struct surface_scanout sc;
	int fd = screen(640, 400, &sc);

	assert_return_code(ftruncate(fd, (off_t)sc.size / 2), errno);
	assert_int_equal(host_thumb_read(fd, &sc, &thumb), -EIO);
	sc.width = SURFACE_MAX_DIM + 1;
	assert_int_equal(host_thumb_read(fd, &sc, &thumb), -EINVAL);
	close(fd);
}

static void one_pixel_makes_another_picture(void **state)
{
	(void)state;
	struct surface_scanout sc;
	int fd = screen(640, 400, &sc);
	uint64_t before;

	assert_return_code(host_thumb_read(fd, &sc, &thumb), 0);
	before = host_thumb_hash(&thumb);
	assert_int_equal(host_thumb_hash(&thumb), before);
	thumb.pixels[777] ^= 0x000100;
	assert_int_not_equal(host_thumb_hash(&thumb), before);
	close(fd);
}

static void what_is_written_is_a_jpeg_of_it(void **state)
{
	(void)state;
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr e;
	struct surface_scanout sc;
	uint8_t *jpeg, row[HOST_THUMB_WIDTH * 3];
	JSAMPROW rows = row;
	size_t n;
	int fd = screen(1280, 800, &sc);

	assert_return_code(host_thumb_read(fd, &sc, &thumb), 0);
	assert_return_code(host_thumb_jpeg(&thumb, &jpeg, &n), 0);
	assert_in_range(n, 500, HOST_THUMB_JPEG_MAX);
	d.err = jpeg_std_error(&e);
	jpeg_create_decompress(&d);
	jpeg_mem_src(&d, jpeg, n);
	assert_int_equal(jpeg_read_header(&d, TRUE), JPEG_HEADER_OK);
	assert_int_equal(d.image_width, 320);
	assert_int_equal(d.image_height, 200);
	assert_true(jpeg_start_decompress(&d));
	assert_int_equal(jpeg_read_scanlines(&d, &rows, 1), 1);
	assert_in_range(row[80 * 3], 240, 255);	     /* red left */
	assert_in_range(row[240 * 3 + 2], 240, 255); /* blue right */
	jpeg_destroy_decompress(&d);
	free(jpeg);
	close(fd);
}

static void the_more_change_the_longer_each_waits(void **state)
{
	(void)state;
	assert_int_equal(host_picture_pace(500000, 1), HOST_PICTURE_MS);
	assert_int_equal(host_picture_pace(500000, 200), 3333); /* 100 ms of work are 3 % of it */
	assert_int_equal(host_picture_pace(500000, 1000), 16666);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_size_is_shrunk_in_proportion),
		cmocka_unit_test(a_file_cut_short_is_an_error),
		cmocka_unit_test(one_pixel_makes_another_picture),
		cmocka_unit_test(what_is_written_is_a_jpeg_of_it),
		cmocka_unit_test(the_more_change_the_longer_each_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
