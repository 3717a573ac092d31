/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper of one pane-display, with programs that fail in its place. That it reaches one that
 * works is in the stories of agent_test.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "vmm/host/display_proc.h"

struct seen {
	struct loop *loop;
	int calls, fd, changes;
	char why[200];
};

static char dir[64];

static int changed(void *arg, const struct host_proc *p)
{
	struct seen *s = arg;

	(void)p;
	s->changes++;
	return 0;
}

static void connected(void *arg, int fd, const char *why)
{
	struct seen *s = arg;

	s->calls++;
	s->fd = fd;
	snprintf(s->why, sizeof(s->why), "%s", why);
	loop_stop(s->loop);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/display-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/display.log", dir);
	unlink(path);
	return rmdir(dir);
}

static void run_with(char *program, struct seen *s, bool cancel)
{
	struct host_config c = {.display = program, .display_idle_s = 60};
	struct host_display_params p = {
		.config = &c, .name = "d", .dir = dir, .run = dir, .changed = changed, .arg = s};
	struct host_display_wait *w;
	struct host_display *d;

	p.loop = s->loop = loop_new();
	d = host_display_new(&p);
	assert_non_null(d);
	w = host_display_connect(d, connected, s);
	assert_non_null(w);
	if (cancel) {
		host_display_cancel(w);
		host_display_free(d);
	} else {
		assert_int_equal(loop_run(s->loop), 0);
		host_display_free(d);
	}
	loop_free(s->loop);
}

static void a_missing_program_is_told_to_who_waits(void **state)
{
	struct seen s = {0};

	(void)state;
	run_with((char[]){"/nonexistent/pane-display"}, &s, false);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.fd, -ENOENT);
	assert_non_null(strstr(s.why, "/nonexistent/pane-display"));
}

static void one_that_keeps_ending_is_given_up(void **state)
{
	struct seen s = {0};

	(void)state;
	run_with((char[]){"/bin/false"}, &s, false);
	assert_int_equal(s.calls, 1);
	assert_true(s.fd < 0);
	assert_non_null(strstr(s.why, "pane-display ended 5 times"));
	assert_int_equal(s.changes, 10); /* five starts and five ends are noted down */
}

static void a_cancelled_wait_is_not_called(void **state)
{
	struct seen s = {0};

	(void)state;
	run_with((char[]){"/bin/false"}, &s, true);
	assert_int_equal(s.calls, 0);
}

static void waiters_are_bounded(void **state)
{
	struct seen s = {0};
	struct host_config c = {.display = (char[]){"/bin/false"}};
	struct host_display_params p = {
		.config = &c, .name = "d", .dir = dir, .run = dir, .changed = changed, .arg = &s};
	struct host_display *d;

	(void)state;
	p.loop = s.loop = loop_new();
	d = host_display_new(&p);
	for (int i = 0; i < HOST_DISPLAY_WAITERS; i++)
		assert_non_null(host_display_connect(d, connected, &s));
	assert_null(host_display_connect(d, connected, &s));
	host_display_free(d);
	assert_int_equal(s.calls, HOST_DISPLAY_WAITERS);
	assert_int_equal(s.fd, -ECANCELED);
	loop_free(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_program_is_told_to_who_waits),
		cmocka_unit_test(one_that_keeps_ending_is_given_up),
		cmocka_unit_test(a_cancelled_wait_is_not_called),
		cmocka_unit_test(waiters_are_bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
