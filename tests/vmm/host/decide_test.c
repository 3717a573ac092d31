/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decision function: every wish against every observation, and what the end of a machine means.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "vmm/host/decide.h"

static enum host_step step(struct host_view v, int64_t now)
{
	int64_t wake = -1;

	return host_decide(&v, now, &wake);
}

static void wanted_running_starts(void **state)
{
	struct host_view v = {.want = HOST_WANT_RUNNING};

	(void)state;
	assert_int_equal(step(v, 100), HOST_STEP_START);
	v.files = true;
	assert_int_equal(step(v, 100), HOST_STEP_START);
	v.process = true;
	assert_int_equal(step(v, 100), HOST_STEP_NONE);
}

static void another_home_quits(void **state)
{
	struct host_view v = {
		.want = HOST_WANT_RUNNING, .process = true, .files = true, .other_home = true};

	(void)state;
	assert_int_equal(step(v, 100), HOST_STEP_QUIT);
	v.stopping = HOST_QUITTING;
	v.stage_ms = 200;
	assert_int_equal(step(v, 100), HOST_STEP_WAIT);
	assert_int_equal(step(v, 200), HOST_STEP_KILL);
	v = (struct host_view){.want = HOST_WANT_STOPPED, .process = true, .other_home = true};
	assert_int_equal(step(v, 100), HOST_STEP_POWERDOWN);
}

static void a_logout_is_a_poweroff_of_the_guest(void **state)
{
	struct host_ended end = {.how = HOST_END_LOGOUT, .program = "pane-cell"};
	struct host_verdict v;

	(void)state;
	host_verdict(&end, 0, 100000, false, &v);
	assert_int_equal(strncmp(v.reason, "guest powered off", 17), 0);
	assert_int_equal(v.delay_ms, 2000);
	end = (struct host_ended){.how = HOST_END_SIGNAL, .detail = 9, .program = "pane-cell"};
	host_verdict(&end, 0, 100000, false, &v);
	assert_string_equal(v.reason, "pane-cell was killed (signal 9)");
}

static void backoff_waits_until_its_end(void **state)
{
	struct host_view v = {.want = HOST_WANT_RUNNING, .retry_ms = 500};
	int64_t wake = -1;

	(void)state;
	assert_int_equal(host_decide(&v, 499, &wake), HOST_STEP_WAIT);
	assert_int_equal(wake, 500);
	assert_int_equal(step(v, 500), HOST_STEP_START);
}

static void stop_escalates_by_deadline(void **state)
{
	struct host_view v = {.want = HOST_WANT_STOPPED, .process = true, .files = true};

	(void)state;
	assert_int_equal(step(v, 0), HOST_STEP_POWERDOWN);
	v.stopping = HOST_ASKED;
	v.stage_ms = 1000;
	assert_int_equal(step(v, 999), HOST_STEP_WAIT);
	assert_int_equal(step(v, 1000), HOST_STEP_QUIT);
	v.stopping = HOST_QUITTING;
	v.stage_ms = 2000;
	assert_int_equal(step(v, 1999), HOST_STEP_WAIT);
	assert_int_equal(step(v, 2000), HOST_STEP_KILL);
	v.stopping = HOST_KILLED;
	v.stage_ms = 3000;
	assert_int_equal(step(v, 3000), HOST_STEP_KILL);
	v.process = false;
	assert_int_equal(step(v, 3001), HOST_STEP_NONE);
}

static void a_begun_stop_is_finished_though_wanted_again(void **state)
{
	struct host_view v = {.want = HOST_WANT_RUNNING,
			      .process = true,
			      .stopping = HOST_ASKED,
			      .stage_ms = 1000};

	(void)state;
	assert_int_equal(step(v, 10), HOST_STEP_WAIT);
	assert_int_equal(step(v, 1000), HOST_STEP_QUIT);
}

static void absent_quits_then_deletes(void **state)
{
	struct host_view v = {.want = HOST_WANT_ABSENT, .process = true, .files = true};

	(void)state;
	assert_int_equal(step(v, 0), HOST_STEP_QUIT);
	v.stopping = HOST_ASKED; /* was being stopped politely */
	v.stage_ms = 5000;
	assert_int_equal(step(v, 0), HOST_STEP_QUIT);
	v.process = false;
	assert_int_equal(step(v, 0), HOST_STEP_DELETE);
	v.files = false;
	assert_int_equal(step(v, 0), HOST_STEP_NONE);
}

static void a_ready_desktop_is_suspended_and_another_shut_down(void **state)
{
	struct host_view v = {.want = HOST_WANT_SUSPENDED, .process = true, .files = true};
	int64_t wake = -1;

	(void)state;
	assert_int_equal(step(v, 100), HOST_STEP_POWERDOWN);
	v.ready = true;
	assert_int_equal(step(v, 100), HOST_STEP_SUSPEND);
	v.suspend_ms = 500; /* it could not be saved a moment ago */
	assert_int_equal(host_decide(&v, 499, &wake), HOST_STEP_WAIT);
	assert_int_equal(wake, 500);
	assert_int_equal(step(v, 500), HOST_STEP_SUSPEND);
	v.process = false;
	assert_int_equal(step(v, 500), HOST_STEP_NONE);
	v.saved = true;
	assert_int_equal(step(v, 500), HOST_STEP_NONE);
}

static void saving_is_finished_whatever_is_wanted_meanwhile(void **state)
{
	static const enum host_want wants[] = {HOST_WANT_SUSPENDED, HOST_WANT_RUNNING,
					       HOST_WANT_STOPPED};
	struct host_view v = {
		.process = true, .ready = true, .stopping = HOST_SUSPENDING, .stage_ms = 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		v.want = wants[i];
		assert_int_equal(step(v, 999), HOST_STEP_WAIT);
		assert_int_equal(step(v, 1000), HOST_STEP_QUIT);
	}
	v.want = HOST_WANT_ABSENT;
	assert_int_equal(step(v, 10), HOST_STEP_QUIT);
}

static void saved_memory_is_gone_on_with_or_forgotten(void **state)
{
	struct host_view v = {.want = HOST_WANT_RUNNING, .files = true, .saved = true};

	(void)state;
	assert_int_equal(step(v, 0), HOST_STEP_START);
	v.want = HOST_WANT_STOPPED;
	assert_int_equal(step(v, 0), HOST_STEP_FORGET);
	v.saved = false;
	assert_int_equal(step(v, 0), HOST_STEP_NONE);
	v.saved = true;
	v.want = HOST_WANT_ABSENT;
	assert_int_equal(step(v, 0), HOST_STEP_DELETE);
	v.want = HOST_WANT_NONE;
	assert_int_equal(step(v, 0), HOST_STEP_NONE);
}

static void unordered_is_left_alone(void **state)
{
	struct host_view v = {.want = HOST_WANT_NONE, .files = true};

	(void)state;
	assert_int_equal(step(v, 0), HOST_STEP_NONE);
	v.process = true;
	assert_int_equal(step(v, 0), HOST_STEP_NONE);
}

static struct host_verdict verdict(enum host_end how, int detail, unsigned fails, int64_t ran,
				   bool asked)
{
	struct host_ended end = {.how = how, .detail = detail};
	struct host_verdict v;

	host_verdict(&end, fails, ran, asked, &v);
	return v;
}

static void first_end_costs_nothing(void **state)
{
	(void)state;
	assert_int_equal(verdict(HOST_END_SIGNAL, 9, 0, 1000, false).delay_ms, 0);
	assert_int_equal(verdict(HOST_END_RESET, 3, 0, 1000, false).delay_ms, 0);
	assert_string_equal(verdict(HOST_END_SIGNAL, 9, 0, 0, false).reason,
			    "pane-vmm was killed (signal 9)");
	assert_string_equal(verdict(HOST_END_SIGNAL, 0, 0, 0, false).reason, "pane-vmm was killed");
	assert_string_equal(verdict(HOST_END_POWEROFF, 0, 0, 0, false).reason, "guest powered off");
}

static void rapid_ends_back_off_up_to_a_minute(void **state)
{
	int64_t last = 0;

	(void)state;
	for (unsigned fails = 1; fails < 100; fails++) {
		struct host_verdict v = verdict(HOST_END_PANIC, 4, fails, 0, false);

		assert_int_equal(v.fails, fails + 1);
		assert_true(v.delay_ms >= last);
		assert_true(v.delay_ms <= HOST_BACKOFF_MAX_MS);
		last = v.delay_ms;
	}
	assert_int_equal(last, HOST_BACKOFF_MAX_MS);
	assert_string_equal(verdict(HOST_END_PANIC, 4, 2, 0, false).reason,
			    "guest panicked, 3 times in a row");
}

static void a_long_run_forgives(void **state)
{
	(void)state;
	assert_int_equal(verdict(HOST_END_SIGNAL, 9, 7, HOST_RAPID_MS, false).fails, 1);
	assert_int_equal(verdict(HOST_END_SIGNAL, 9, 7, HOST_RAPID_MS - 1, false).fails, 8);
}

static void what_was_asked_for_is_no_failure(void **state)
{
	struct host_verdict v = verdict(HOST_END_SIGNAL, 9, 5, 0, true);

	(void)state;
	assert_int_equal(v.fails, 0);
	assert_int_equal(v.delay_ms, 0);
	assert_string_equal(verdict(HOST_END_POWEROFF, 0, 0, 0, true).reason, "");
}

static void a_poweroff_is_seen_before_it_is_undone(void **state)
{
	(void)state;
	assert_true(verdict(HOST_END_POWEROFF, 0, 0, 100000, false).delay_ms >= 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_running_starts),
		cmocka_unit_test(another_home_quits),
		cmocka_unit_test(a_logout_is_a_poweroff_of_the_guest),
		cmocka_unit_test(backoff_waits_until_its_end),
		cmocka_unit_test(stop_escalates_by_deadline),
		cmocka_unit_test(a_begun_stop_is_finished_though_wanted_again),
		cmocka_unit_test(absent_quits_then_deletes),
		cmocka_unit_test(a_ready_desktop_is_suspended_and_another_shut_down),
		cmocka_unit_test(saving_is_finished_whatever_is_wanted_meanwhile),
		cmocka_unit_test(saved_memory_is_gone_on_with_or_forgotten),
		cmocka_unit_test(unordered_is_left_alone),
		cmocka_unit_test(first_end_costs_nothing),
		cmocka_unit_test(rapid_ends_back_off_up_to_a_minute),
		cmocka_unit_test(a_long_run_forgives),
		cmocka_unit_test(what_was_asked_for_is_no_failure),
		cmocka_unit_test(a_poweroff_is_seen_before_it_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
