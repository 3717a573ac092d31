/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connection limits: per source, in all, and after a worker's crash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "common/loop.h"
#include "gateway/limits.h"

static struct gw_limits *make(int per_source, int max)
{
	struct gw_limits_params p = {.per_source_max = per_source, .max_connections = max};
	struct gw_limits *l = gw_limits_new(&p);

	assert_non_null(l);
	return l;
}

static void sources(void **state)
{
	(void)state;
	assert_int_equal(gw_limits_source("10.0.0.1:1"), gw_limits_source("10.0.0.1:65535"));
	assert_true(gw_limits_source("10.0.0.1:1") != gw_limits_source("10.0.0.2:1"));
	assert_int_equal(gw_limits_source("[2001:db8::1]:1"),
			 gw_limits_source("[2001:db8::ff:2]:9"));
	assert_true(gw_limits_source("[2001:db8:0:1::1]:1") !=
		    gw_limits_source("[2001:db8:0:2::1]:1"));
}

static void per_source_over_workers(void **state)
{
	struct gw_limits *l = make(2, 50);
	int a, b, c;

	(void)state;
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.1:1", &a), GW_ADMIT);
	assert_int_equal(gw_limits_take(l, 1, "10.0.0.1:2", &b), GW_ADMIT);
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.1:3", &c), GW_REFUSE_SOURCE);
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.2:3", &c), GW_ADMIT);
	gw_limits_drop(l, 1, b);
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.1:3", &b), GW_ADMIT);
	assert_int_equal(gw_limits_total(l), 3);
	gw_limits_free(l);
}

static void total(void **state)
{
	struct gw_limits *l = make(10, 3);
	char peer[32];
	int slot;

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(peer, sizeof(peer), "10.0.0.%d:1", i);
		assert_int_equal(gw_limits_take(l, 0, peer, &slot), GW_ADMIT);
	}
	assert_int_equal(gw_limits_take(l, 0, "10.0.1.1:1", &slot), GW_REFUSE_TOTAL);
	gw_limits_free(l);
}

static void nearly_full_refuses_some(void **state)
{
	struct gw_limits *l = make(100000, 1000);
	int slot, refused = 0;

	(void)state;
	for (int i = 0; i < 950; i++)
		if (gw_limits_take(l, 0, "10.0.0.1:1", &slot) != GW_ADMIT)
			refused++;
	assert_true(refused < 100);
	refused = 0;
	for (int i = 0; i < 1000; i++) {
		if (gw_limits_take(l, 0, "10.0.0.1:1", &slot) == GW_ADMIT)
			gw_limits_drop(l, 0, slot);
		else
			refused++;
	}
	assert_in_range(refused, 10, 990);
	gw_limits_free(l);
}

static void crash_is_forgotten(void **state)
{
	struct gw_limits *l = make(1, 10);
	int slot;

	(void)state;
	assert_int_equal(gw_limits_take(l, 3, "10.0.0.1:1", &slot), GW_ADMIT);
	gw_limits_forget(l, 3);
	assert_int_equal(gw_limits_total(l), 0);
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.1:1", &slot), GW_ADMIT);
	gw_limits_free(l);
}

static void many_sources_come_and_go(void **state)
{
	struct gw_limits *l = make(2, 1000000);
	char peer[32];
	int slot;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "10.%d.%d.%d:1", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(gw_limits_take(l, 0, peer, &slot), GW_ADMIT);
		assert_true(slot >= 0); /* rows of those who left are used again */
		gw_limits_drop(l, 0, slot);
	}
	gw_limits_free(l);
}

static void penalties_add_up_and_are_forgiven(void **state)
{
	struct gw_limits *l = make(10, 100);
	const char *peer = "10.0.0.1:1";
	int slot;

	(void)state;
	gw_limits_blame(l, peer, GW_TOLERATED_MS); /* that much is tolerated */
	assert_int_equal(gw_limits_take(l, 0, peer, &slot), GW_ADMIT);
	gw_limits_blame(l, peer, 60000);
	assert_int_equal(gw_limits_take(l, 1, "10.0.0.1:9", &slot), GW_REFUSE_PENALTY);
	assert_int_equal(slot, -1);
	assert_int_equal(gw_limits_take(l, 1, "10.0.0.2:9", &slot), GW_ADMIT);
	assert_int_equal(gw_limits_total(l), 2);
	gw_limits_forgive(l, "10.0.0.1:3");
	assert_int_equal(gw_limits_take(l, 1, "10.0.0.1:9", &slot), GW_ADMIT);
	gw_limits_free(l);
}

static void penalties_pass(void **state)
{
	struct gw_limits *l = make(10, 100);
	int slot;
	enum gw_admission a = GW_REFUSE_PENALTY;

	(void)state;
	gw_limits_blame(l, "10.0.0.1:1", GW_TOLERATED_MS + 100);
	assert_int_equal(gw_limits_take(l, 0, "10.0.0.1:1", &slot), GW_REFUSE_PENALTY);
	for (int64_t end = clock_ms() + 10000; a != GW_ADMIT && clock_ms() < end;)
		a = gw_limits_take(l, 0, "10.0.0.1:1", &slot);
	assert_int_equal(a, GW_ADMIT);
	gw_limits_free(l);
}

static void a_balancer_counts_for_its_clients(void **state)
{
	struct gw_limits *l = make(1, 100);
	int a, b, c;

	(void)state;
	assert_int_equal(gw_limits_take(l, 0, NULL, &a), GW_ADMIT);
	assert_int_equal(gw_limits_take(l, 0, NULL, &b), GW_ADMIT);
	assert_int_equal(gw_limits_take(l, 0, NULL, &c), GW_ADMIT);
	assert_int_equal(gw_limits_move(l, 0, "10.0.0.1:1", &a), GW_ADMIT);
	assert_int_equal(gw_limits_move(l, 0, "10.0.0.1:2", &b), GW_REFUSE_SOURCE);
	assert_int_equal(b, -1);
	assert_int_equal(gw_limits_move(l, 0, "10.0.0.2:2", &c), GW_ADMIT);
	assert_int_equal(gw_limits_total(l), 3);
	gw_limits_drop(l, 0, a);
	assert_int_equal(gw_limits_move(l, 0, "10.0.0.1:2", &b), GW_ADMIT);
	gw_limits_drop(l, 0, b);
	gw_limits_drop(l, 0, c);
	assert_int_equal(gw_limits_total(l), 0);
	gw_limits_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources),
		cmocka_unit_test(per_source_over_workers),
		cmocka_unit_test(total),
		cmocka_unit_test(nearly_full_refuses_some),
		cmocka_unit_test(crash_is_forgotten),
		cmocka_unit_test(many_sources_come_and_go),
		cmocka_unit_test(penalties_add_up_and_are_forgiven),
		cmocka_unit_test(penalties_pass),
		cmocka_unit_test(a_balancer_counts_for_its_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
