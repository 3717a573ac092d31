/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display control channel: monitors are taken as they lie, and only sizes and places
 * screens can have.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/surface.h"
#include "common/wire.h"
#include "display/rdp/dispctl.h"

struct monitor {
	uint32_t flags, width, height, scale;
	int32_t x, y;
};

static size_t layout(uint8_t *p, const struct monitor *m, uint32_t n)
{
	memset(p, 0, 16 + 40ul * n);
	put_le32(p, 2);
	put_le32(p + 4, 16 + 40 * n);
	put_le32(p + 8, 40);
	put_le32(p + 12, n);
	for (uint32_t i = 0; i < n; i++) {
		put_le32(p + 16 + i * 40, m[i].flags);
		put_le32(p + 16 + i * 40 + 4, (uint32_t)m[i].x);
		put_le32(p + 16 + i * 40 + 8, (uint32_t)m[i].y);
		put_le32(p + 16 + i * 40 + 12, m[i].width);
		put_le32(p + 16 + i * 40 + 16, m[i].height);
		put_le32(p + 16 + i * 40 + 32, m[i].scale);
	}
	return 16 + 40ul * n;
}

static void expect(const struct surface_rect *r, int32_t x, int32_t y, int32_t width,
		   int32_t height)
{
	assert_int_equal(r->x, x);
	assert_int_equal(r->y, y);
	assert_int_equal(r->width, width);
	assert_int_equal(r->height, height);
}

static void the_primary_monitor_comes_first_and_all_begin_at_zero(void **state)
{
	const struct monitor m[] = {{0, 800, 600, 100, -800, 200}, {1, 1921, 1080, 150, 0, 0}};
	struct dispctl_wish w;
	uint8_t p[200];

	(void)state;
	assert_int_equal(disp_ctl_parse(p, layout(p, m, 2), &w), 1);
	assert_int_equal(w.n, 2);
	expect(&w.monitors[0], 800, 0, 1920, 1080); /* even */
	expect(&w.monitors[1], 0, 200, 800, 600);
	assert_int_equal(w.scale_percent, 150);
}

static void monitors_too_large_together_leave_the_primary(void **state)
{
	const struct monitor m[] = {{0, 5000, 600, 100, -5000, 0}, {1, 5000, 1080, 100, 0, 0}};
	struct dispctl_wish w;
	uint8_t p[200];

	(void)state;
	assert_int_equal(disp_ctl_parse(p, layout(p, m, 2), &w), 1);
	assert_int_equal(w.n, 1);
	expect(&w.monitors[0], 0, 0, 5000, 1080);
}

static void places_out_of_range_are_refused(void **state)
{
	struct monitor m = {1, 800, 600, 100, 32769, 0};
	struct dispctl_wish w;
	uint8_t p[100];

	(void)state;
	assert_int_equal(disp_ctl_parse(p, layout(p, &m, 1), &w), -EPROTO);
	m.x = 0;
	m.y = INT32_MIN;
	assert_int_equal(disp_ctl_parse(p, layout(p, &m, 1), &w), -EPROTO);
}

static void a_scale_nobody_has_is_a_hundred(void **state)
{
	const struct monitor m = {1, 800, 600, 7, 0, 0};
	struct dispctl_wish w;
	uint8_t p[100];

	(void)state;
	assert_int_equal(disp_ctl_parse(p, layout(p, &m, 1), &w), 1);
	assert_int_equal(w.scale_percent, 100);
}

static void sizes_out_of_range_are_refused(void **state)
{
	static const uint32_t bad[][2] = {
		{199, 600}, {800, 199}, {SURFACE_MAX_DIM + 1, 600}, {800, 0xffffffff}};
	struct dispctl_wish w;
	uint8_t p[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct monitor m = {1, bad[i][0], bad[i][1], 100, 0, 0};

		assert_int_equal(disp_ctl_parse(p, layout(p, &m, 1), &w), -EPROTO);
	}
}

static void short_and_lying_layouts_are_refused(void **state)
{
	const struct monitor m = {1, 800, 600, 100, 0, 0};
	struct dispctl_wish w;
	uint8_t p[100];
	size_t n = layout(p, &m, 1);

	(void)state;
	for (size_t k = 0; k < n; k++)
		assert_int_equal(disp_ctl_parse(p, k, &w), -EPROTO);
	put_le32(p + 12, 2); /* says two, has one */
	assert_int_equal(disp_ctl_parse(p, n, &w), -EPROTO);
	put_le32(p + 12, 0x40000001); /* overflows when multiplied */
	assert_int_equal(disp_ctl_parse(p, n, &w), -EPROTO);
	layout(p, &m, 1);
	put_le32(p, 99);
	assert_int_equal(disp_ctl_parse(p, n, &w), 0); /* unknown: passed over */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_primary_monitor_comes_first_and_all_begin_at_zero),
		cmocka_unit_test(monitors_too_large_together_leave_the_primary),
		cmocka_unit_test(places_out_of_range_are_refused),
		cmocka_unit_test(a_scale_nobody_has_is_a_hundred),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(short_and_lying_layouts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
