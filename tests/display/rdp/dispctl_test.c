/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display control channel: the primary monitor's size is taken, and only a size a screen can
 * have.
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
		put_le32(p + 16 + i * 40 + 12, m[i].width);
		put_le32(p + 16 + i * 40 + 16, m[i].height);
		put_le32(p + 16 + i * 40 + 32, m[i].scale);
	}
	return 16 + 40ul * n;
}

static void the_primary_monitor_counts(void **state)
{
	const struct monitor m[] = {{0, 800, 600, 100}, {1, 1921, 1080, 150}};
	struct dispctl_wish w;
	uint8_t p[200];

	(void)state;
	assert_int_equal(disp_ctl_parse(p, layout(p, m, 2), &w), 1);
	assert_int_equal(w.width, 1920); /* even */
	assert_int_equal(w.height, 1080);
	assert_int_equal(w.scale_percent, 150);
}

static void a_scale_nobody_has_is_a_hundred(void **state)
{
	const struct monitor m = {1, 800, 600, 7};
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
		struct monitor m = {1, bad[i][0], bad[i][1], 100};

		assert_int_equal(disp_ctl_parse(p, layout(p, &m, 1), &w), -EPROTO);
	}
}

static void short_and_lying_layouts_are_refused(void **state)
{
	const struct monitor m = {1, 800, 600, 100};
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
		cmocka_unit_test(the_primary_monitor_counts),
		cmocka_unit_test(a_scale_nobody_has_is_a_hundred),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test(short_and_lying_layouts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
