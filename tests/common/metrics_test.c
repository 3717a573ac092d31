/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Prometheus' text format: samples and labels as written, whatever is in a label; histograms add
 * up; where metrics may be told. What promtool says of whole pages is tested where daemons run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "common/metrics_server.h"

static void assert_text(struct metrics *m, const char *want)
{
	assert_int_equal(m->error, 0);
	assert_int_equal(m->text.len, strlen(want));
	assert_memory_equal(buf_head(&m->text), want, strlen(want));
	metrics_fini(m);
}

static void samples_are_written(void **state)
{
	struct metrics m;

	(void)state;
	metrics_init(&m);
	metrics_family(&m, "pane_x", METRICS_GAUGE, "What it is.");
	metrics_put(&m, 1.5, METRICS_END);
	metrics_put(&m, -3, "a", "b", "c", "d", METRICS_END);
	metrics_one(&m, "pane_y_total", METRICS_COUNTER, "Bytes.", 1234567890123.0);
	assert_text(&m, "# HELP pane_x What it is.\n# TYPE pane_x gauge\npane_x 1.5\n"
			"pane_x{a=\"b\",c=\"d\"} -3\n"
			"# HELP pane_y_total Bytes.\n# TYPE pane_y_total counter\n"
			"pane_y_total 1234567890123\n");
}

static void labels_are_escaped(void **state)
{
	struct metrics m;

	(void)state;
	metrics_init(&m);
	metrics_family(&m, "x", METRICS_GAUGE, "X.");
	metrics_put(&m, 0, "l", "a\"b\\c\nd", METRICS_END);
	assert_text(&m, "# HELP x X.\n# TYPE x gauge\nx{l=\"a\\\"b\\\\c\\nd\"} 0\n");
}

static void buckets_add_up(void **state)
{
	static const double bounds[] = {1, 2, 0};
	struct metrics_histogram h = {0};
	struct metrics m;

	(void)state;
	metrics_observe(&h, bounds, 0.5);
	metrics_observe(&h, bounds, 1);
	metrics_observe(&h, bounds, 1.5);
	metrics_observe(&h, bounds, 9);
	metrics_init(&m);
	metrics_family(&m, "t_seconds", METRICS_HISTOGRAM, "T.");
	metrics_put_histogram(&m, &h, bounds, "how", "x");
	assert_text(&m, "# HELP t_seconds T.\n# TYPE t_seconds histogram\n"
			"t_seconds_bucket{how=\"x\",le=\"1\"} 2\n"
			"t_seconds_bucket{how=\"x\",le=\"2\"} 3\n"
			"t_seconds_bucket{how=\"x\",le=\"+Inf\"} 4\n"
			"t_seconds_sum{how=\"x\"} 12\nt_seconds_count{how=\"x\"} 4\n");
}

static void too_much_is_an_error(void **state)
{
	struct metrics m;

	(void)state;
	metrics_init(&m);
	metrics_family(&m, "x", METRICS_GAUGE, "X.");
	for (int i = 0; i < 200000; i++)
		metrics_put(&m, i, "l", "v", METRICS_END);
	assert_true(m.error < 0);
	metrics_fini(&m);
}

static void told_nowhere_but_here(void **state)
{
	static const char *const good[] = {"unix:/run/x", "127.0.0.1:9", "127.1.2.3:9", "[::1]:9"};
	static const char *const bad[] = {"0.0.0.0:9", "[::]:9", "unix:x", "192.0.2.1:9", "9", ""};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(metrics_address_check(good[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(metrics_address_check(bad[i], &e), -EINVAL);
	assert_int_equal(metrics_address_check("127.evil.example:9", &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_written),	 cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(buckets_add_up),	 cmocka_unit_test(too_much_is_an_error),
		cmocka_unit_test(told_nowhere_but_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
