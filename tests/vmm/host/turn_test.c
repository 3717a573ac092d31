/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose turn it is to start: not more than so many at once, users first, then the longest waiting;
 * and what hangs holds nobody up for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "vmm/host/turn.h"

#define N   6
#define NOW 1000000

static struct host_desktop all[N];
static char why[200];

static void line_up(void)
{
	memset(all, 0, sizeof(all));
	for (size_t i = 0; i < N; i++) {
		all[i].next = i + 1 < N ? &all[i + 1] : NULL;
		all[i].rec.order.want = HOST_WANT_RUNNING;
	}
}

static void begun(struct host_desktop *d, int64_t at)
{
	static char machine;

	d->machine = (struct host_machine *)(void *)&machine;
	d->started_ms = at;
}

static bool waits(struct host_desktop *d, int limit)
{
	return host_turn_waits(all, d, limit, NOW, why, sizeof(why));
}

static void so_many_start_and_no_more(void **state)
{
	(void)state;
	line_up();
	for (size_t i = 0; i < 2; i++) {
		assert_false(waits(&all[i], 2));
		begun(&all[i], NOW);
	}
	assert_true(waits(&all[2], 2));
	assert_string_equal(why,
			    "waiting for its turn: 2 of at most 2 desktops start on this host, "
			    "0 wait before it");
	all[0].ready_ms = NOW;
	assert_false(waits(&all[2], 2));
	assert_int_equal(all[2].turn_ms, 0);
}

static void who_waited_longer_comes_first(void **state)
{
	(void)state;
	line_up();
	begun(&all[0], NOW);
	all[1].turn_ms = NOW - 5;
	all[2].turn_ms = NOW - 9;
	assert_true(waits(&all[1], 2)); /* there is room for one, and another is before it */
	assert_false(waits(&all[2], 2));
}

static void who_somebody_waits_for_comes_first(void **state)
{
	(void)state;
	line_up();
	begun(&all[0], NOW);
	all[1].turn_ms = NOW - 900;
	snprintf(all[2].rec.order.home, sizeof(all[2].rec.order.home), "%s", "a home");
	assert_false(waits(&all[2], 2));
	begun(&all[2], NOW);
	assert_true(waits(&all[1], 2));
}

static void what_hangs_or_is_not_wanted_holds_nobody_up(void **state)
{
	(void)state;
	line_up();
	begun(&all[0], NOW - HOST_TURN_MS);
	begun(&all[1], NOW);
	all[1].stopping = HOST_ASKED;
	all[2].turn_ms = NOW - 9;
	all[2].rec.order.want = HOST_WANT_STOPPED;
	assert_false(waits(&all[3], 1));
}

static void the_host_says_how_many(void **state)
{
	(void)state;
	assert_int_equal(host_turn_limit(0, 1), 4);
	assert_int_equal(host_turn_limit(0, 16), 32);
	assert_int_equal(host_turn_limit(3, 16), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_start_and_no_more),
		cmocka_unit_test(who_waited_longer_comes_first),
		cmocka_unit_test(who_somebody_waits_for_comes_first),
		cmocka_unit_test(what_hangs_or_is_not_wanted_holds_nobody_up),
		cmocka_unit_test(the_host_says_how_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
