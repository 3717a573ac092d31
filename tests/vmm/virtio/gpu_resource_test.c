/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Resources: every pixel format by its bytes in memory, backing in odd pieces, the account of
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/virtio/gpu_proto.h"
#include "vmm/virtio/gpu_resource.h"

static struct gpu_resources set = {.max_n = 4, .max_bytes = 1 << 20};

static void formats_are_converted(void **state)
{
	/* Bytes in memory order for alpha 0x11, red 0x22, green 0x33, blue 0x44. */
	static const struct {
		uint32_t format;
		uint8_t b[4];
		uint32_t want;
	} t[] = {
		{GPU_B8G8R8A8, {0x44, 0x33, 0x22, 0x11}, 0x11223344},
		{GPU_B8G8R8X8, {0x44, 0x33, 0x22, 0x11}, 0xff223344},
		{GPU_A8R8G8B8, {0x11, 0x22, 0x33, 0x44}, 0x11223344},
		{GPU_X8R8G8B8, {0x11, 0x22, 0x33, 0x44}, 0xff223344},
		{GPU_R8G8B8A8, {0x22, 0x33, 0x44, 0x11}, 0x11223344},
		{GPU_R8G8B8X8, {0x22, 0x33, 0x44, 0x11}, 0xff223344},
		{GPU_A8B8G8R8, {0x11, 0x44, 0x33, 0x22}, 0x11223344},
		{GPU_X8B8G8R8, {0x11, 0x44, 0x33, 0x22}, 0xff223344},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t raw[4];
		struct gpu_resource *r;
		struct iovec *v;

		memcpy(raw, t[i].b, 4);
		assert_int_equal(gpu_resource_create(&set, 5, t[i].format, 1, 1), 0);
		r = gpu_resource_find(&set, 5);
		v = gpu_resource_backing(&set, r, 1);
		*v = (struct iovec){raw, 4};
		r->backing_bytes = 4;
		assert_int_equal(gpu_resource_transfer(r, (struct surface_rect){0, 0, 1, 1}, 0), 0);
		assert_int_equal(r->pixels[0], t[i].want);
		gpu_resource_make_opaque(r);
		assert_int_equal(r->pixels[0], 0xff223344);
		gpu_resource_destroy(&set, r);
	}
	assert_int_equal(set.bytes, 0);
	assert_int_equal(set.n, 0);
}

/* 8x8 pixels whose backing is cut into pieces of 1, 2, 3, ... bytes: pixels straddle them. */
static void backing_in_odd_pieces(void **state)
{
	uint8_t raw[256];
	struct gpu_resource *r;
	struct iovec *v;
	uint32_t n = 0, at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)i;
	assert_int_equal(gpu_resource_create(&set, 1, GPU_B8G8R8A8, 8, 8), 0);
	r = gpu_resource_find(&set, 1);
	v = gpu_resource_backing(&set, r, 30);
	for (uint32_t len = 1; at < 256; at += len, len++) {
		uint32_t part = 256 - at < len ? 256 - at : len;

		v[n++] = (struct iovec){raw + at, part};
		r->backing_bytes += part;
	}
	assert_true(n <= 30);
	assert_int_equal(r->backing_bytes, 256);
	assert_int_equal(gpu_resource_transfer(r, (struct surface_rect){0, 0, 8, 8}, 0), 0);
	assert_memory_equal(r->pixels, raw, 256);
	memset(r->pixels, 0, 256);
	assert_int_equal(gpu_resource_transfer(r, (struct surface_rect){2, 3, 4, 2}, 3 * 32 + 8),
			 0);
	assert_memory_equal((uint8_t *)r->pixels + 3 * 32 + 8, raw + 3 * 32 + 8, 16);
	assert_memory_equal((uint8_t *)r->pixels + 4 * 32 + 8, raw + 4 * 32 + 8, 16);
	assert_int_equal(r->pixels[3 * 8 + 1], 0);
	assert_int_equal(r->pixels[3 * 8 + 6], 0);
	assert_int_equal(gpu_resource_transfer(r, (struct surface_rect){0, 0, 8, 8}, 1), -EINVAL);
	assert_int_equal(gpu_resource_transfer(r, (struct surface_rect){0, 0, 8, 8}, UINT64_MAX),
			 -EINVAL);
	gpu_resources_clear(&set);
	assert_int_equal(set.bytes, 0);
}

static void rectangles_are_checked(void **state)
{
	static const struct surface_rect bad[] = {{-1, 0, 1, 1},	{0, -1, 1, 1},
						  {0, 0, 0, 1},		{0, 0, 1, 0},
						  {0, 0, 9, 1},		{8, 0, 1, 1},
						  {1, 0, INT32_MAX, 1}, {INT32_MAX, 0, 1, 1},
						  {0, 0, 1, INT32_MIN}, {INT32_MIN, 0, 1, 1}};

	(void)state;
	assert_true(gpu_rect_inside(&(struct surface_rect){0, 0, 8, 8}, 8, 8));
	assert_true(gpu_rect_inside(&(struct surface_rect){7, 7, 1, 1}, 8, 8));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gpu_rect_inside(&bad[i], 8, 8));
}

static void limits_hold(void **state)
{
	struct gpu_resource *r;

	(void)state;
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(gpu_resource_create(&set, i, GPU_B8G8R8X8, 16, 16), 0);
	assert_int_equal(gpu_resource_create(&set, 5, GPU_B8G8R8X8, 16, 16), -ENOMEM);
	assert_int_equal(gpu_resource_create(&set, 4, GPU_B8G8R8X8, 16, 16), -EEXIST);
	r = gpu_resource_find(&set, 2);
	gpu_resource_destroy(&set, r);
	assert_null(gpu_resource_find(&set, 2));
	assert_int_equal(gpu_resource_create(&set, 9, GPU_B8G8R8X8, 512, 512), -ENOMEM);
	r = gpu_resource_find(&set, 3);
	assert_null(gpu_resource_backing(&set, r, 0));
	assert_null(gpu_resource_backing(&set, r, UINT32_MAX));
	assert_null(gpu_resource_backing(&set, r, 65536)); /* 1 MiB of list: over the budget */
	assert_non_null(gpu_resource_backing(&set, r, 100));
	assert_null(gpu_resource_backing(&set, r, 1));
	gpu_resource_detach(&set, r);
	assert_int_equal(set.bytes, 3 * 1024);
	gpu_resources_clear(&set);
	assert_int_equal(set.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_converted),
		cmocka_unit_test(backing_in_odd_pieces),
		cmocka_unit_test(rectangles_are_checked),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
