/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pacing: on a line of any speed the rate is found, and what may be under way is what the round
 * trip holds and little more.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "display/pace.h"

/* Frames of all sizes over a line of kbps kilobytes a second with a delay of its own. */
static struct disp_pace line(int64_t kbps, int64_t delay_ms)
{
	static const uint32_t sizes[] = {300, 80000, 1200, 200000, 40000, 500000, 700, 120000};
	struct disp_pace p = {0};

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 8; i++)
			disp_pace_acked(&p, sizes[i], delay_ms + sizes[i] / kbps);
	}
	return p;
}

static void the_rate_of_a_line_is_found(void **state)
{
	static const int64_t rates[] = {60, 1250, 12500};

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int64_t delay = 2; delay <= 200; delay *= 10) {
			struct disp_pace p = line(rates[i], delay);

			assert_in_range(p.rate_kbps, rates[i] * 3 / 4, rates[i] * 5 / 4);
			assert_true(p.rtt_ms >= delay && p.rtt_ms <= delay + 12);
		}
	}
}

static void little_more_than_a_round_trip_is_under_way(void **state)
{
	struct disp_pace p = line(1250, 20); /* 10 Mbit/s */

	(void)state;
	assert_in_range(disp_pace_bytes(&p), 1250 * 20, 1250 * 80);
	assert_in_range(disp_pace_frames(&p), 2, 4);
	assert_in_range(disp_pace_tiles(&p), 2, 8);
	p = line(60, 200);
	assert_int_equal(disp_pace_bytes(&p), 65536);
	assert_int_equal(disp_pace_frames(&p), 14);
	assert_int_equal(disp_pace_tiles(&p), 2);
}

static void a_fast_or_unknown_line_is_not_held_back(void **state)
{
	struct disp_pace p = {0};

	(void)state;
	assert_int_equal(disp_pace_bytes(&p), PACE_BYTES_MAX);
	assert_int_equal(disp_pace_frames(&p), 2);
	disp_pace_acked(&p, 500, 0);
	assert_int_equal(disp_pace_bytes(&p), PACE_BYTES_MAX);
	p = line(125000, 1);
	assert_int_equal(disp_pace_bytes(&p), PACE_BYTES_MAX);
	assert_int_equal(disp_pace_tiles(&p), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_of_a_line_is_found),
		cmocka_unit_test(little_more_than_a_round_trip_is_under_way),
		cmocka_unit_test(a_fast_or_unknown_line_is_not_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
