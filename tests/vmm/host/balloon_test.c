/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who gives memory back, how much, and what a guest's word can and cannot do to it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/host/balloon.h"

#define GUEST                                                                                      \
	(struct host_balloon_guest)                                                                \
	{                                                                                          \
		.idle = true, .driver = true, .memory = 1024, .held = 900, .free = 700             \
	}

static const struct host_balloon_host fine = {.available = 1200, .low = 1000, .high = 1500};
static const struct host_balloon_host over = {.available = 9999, .low = 1000, .high = 1500};

static struct host_balloon_host left(int64_t available)
{
	return (struct host_balloon_host){.available = available, .low = 1000, .high = 1500};
}

static int64_t want(struct host_balloon_host h, struct host_balloon_guest g)
{
	host_balloon_decide(&h, &g, 1);
	return g.want;
}

static void only_when_memory_is_short(void **state)
{
	struct host_balloon_guest g = GUEST;

	(void)state;
	assert_int_equal(want(fine, g), 0);
	assert_int_equal(want(over, g), 0);
	/* 124 of it were never given, then what is missing up to the upper mark */
	assert_int_equal(want(left(999), g), 124 + 501);
}

static void who_is_used_gives_nothing_and_has_it_back(void **state)
{
	struct host_balloon_guest g = GUEST;

	(void)state;
	g.idle = false;
	assert_int_equal(want(left(0), g), 0);
	g.target = g.actual = 500;
	assert_int_equal(want(left(0), g), 0);
	assert_int_equal(want(fine, g), 0);
}

static void a_guests_word_is_bounded(void **state)
{
	struct host_balloon_guest g = GUEST;

	(void)state;
	g.free = INT64_MAX;
	assert_int_equal(want(left(0), g), 768); /* a quarter stays, whatever it says */
	g.free = 2000;
	g.actual = INT64_MAX;
	assert_true(want(left(0), g) <= 768);
	g = GUEST;
	g.free = 100; /* 64 of which it keeps; 36 are not even what it never had */
	assert_int_equal(want(left(0), g), 0);
	g.free = -1;
	assert_int_equal(want(left(0), g), 0);
	g = GUEST;
	g.driver = false;
	assert_int_equal(want(left(0), g), 0);
	g = GUEST;
	g.memory = 200;
	g.held = 200;
	assert_int_equal(want(left(0), g), 72); /* 128 stay */
}

/* A clone whose pages are its parent's holds little of its own: there is nothing to be had. */
static void what_is_not_its_own_cannot_come_back(void **state)
{
	struct host_balloon_guest g = GUEST;

	(void)state;
	g.held = 40;
	assert_int_equal(want(left(0), g), 0);
	g.held = 600;
	assert_int_equal(want(left(0), g), 424 + 212); /* as far as it calls them free */
}

static void the_largest_first_and_no_more_than_needed(void **state)
{
	struct host_balloon_host h = left(900); /* 600 are missing */
	struct host_balloon_guest v[3] = {GUEST, GUEST, GUEST};

	(void)state;
	v[0].free = 300;
	v[1].free = 800;
	v[2].idle = false;
	host_balloon_decide(&h, v, 3);
	assert_int_equal(v[1].want, 124 + 612 - 12); /* all the 600 that are missing */
	assert_int_equal(v[0].want, 0);
	h = left(500); /* 1000 are missing */
	host_balloon_decide(&h, v, 3);
	assert_int_equal(v[1].want, 124 + 612);
	assert_int_equal(v[0].want, 124 + 112);
	assert_int_equal(v[2].want, 0);
}

static void what_is_too_much_goes_back(void **state)
{
	struct host_balloon_host h = left(1700);
	struct host_balloon_guest v[2] = {GUEST, GUEST};

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		v[i].target = v[i].actual = 150;
	host_balloon_decide(&h, v, 2);
	assert_int_equal(v[0].want + v[1].want, 100);
	h = left(1200); /* between the marks all stays as it is */
	host_balloon_decide(&h, v, 2);
	assert_int_equal(v[0].want, 150);
	assert_int_equal(v[1].want, 150);
}

static int parse(const char *text, struct host_balloon_status *s)
{
	return host_balloon_parse(text, strlen(text), s);
}

static void what_pane_vmm_answers(void **state)
{
	struct host_balloon_status s;

	(void)state;
	assert_int_equal(parse("{\"target_mib\":5,\"actual_mib\":4,\"released_mib\":9,"
			       "\"driver\":true,\"stats\":{\"age_ms\":1,\"available_bytes\":"
			       "2097152}}",
			       &s),
			 0);
	assert_int_equal(s.target, 5);
	assert_int_equal(s.actual, 4);
	assert_int_equal(s.free, 2);
	assert_true(s.driver);
	assert_int_equal(
		parse("{\"target_mib\":5,\"actual_mib\":4,\"stats\":{\"free_bytes\":7}}", &s), 0);
	assert_int_equal(s.free, -1);
	assert_int_equal(parse("{\"target_mib\":0,\"actual_mib\":0,\"stats\":{"
			       "\"available_bytes\":\"all\"}}",
			       &s),
			 0);
	assert_int_equal(s.free, -1);
	assert_int_equal(parse("{\"ok\":true}", &s), -EPROTO);
	assert_int_equal(parse("{\"target_mib\":-1,\"actual_mib\":4}", &s), -EPROTO);
	assert_int_equal(parse("[", &s), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_when_memory_is_short),
		cmocka_unit_test(who_is_used_gives_nothing_and_has_it_back),
		cmocka_unit_test(a_guests_word_is_bounded),
		cmocka_unit_test(what_is_not_its_own_cannot_come_back),
		cmocka_unit_test(the_largest_first_and_no_more_than_needed),
		cmocka_unit_test(what_is_too_much_goes_back),
		cmocka_unit_test(what_pane_vmm_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
