/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/loop.c: timers fire in order, handlers may delete any source, posts arrive from threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "common/loop.h"

struct trace {
	struct loop *l;
	char seen[64];
	unsigned n;
	struct loop_timer *t[4];
	struct loop_io *io[2];
	int sv[2][2];
};

static void note(struct trace *t, char c)
{
	if (t->n < sizeof(t->seen) - 1)
		t->seen[t->n++] = c;
}

static void on_a(void *arg)
{
	note(arg, 'a');
}

static void on_b(void *arg)
{
	note(arg, 'b');
}

static void on_stop(void *arg)
{
	struct trace *t = arg;

	note(t, 's');
	loop_stop(t->l);
}

static void on_before(void *arg)
{
	struct trace *t = arg;

	note(t, 'w');
	if (t->n > 2)
		loop_stop(t->l); /* from there: no wait follows */
}

static void before_each_wait_the_hook_runs(void **state)
{
	struct trace t = {.l = loop_new()};

	(void)state;
	loop_before_wait(t.l, on_before, &t);
	assert_int_equal(loop_post(t.l, on_a, &t), 0);
	assert_int_equal(loop_run(t.l), 0);
	assert_string_equal(t.seen, "waw");
	loop_before_wait(t.l, NULL, NULL);
	assert_int_equal(loop_post(t.l, on_stop, &t), 0);
	assert_int_equal(loop_run(t.l), 0);
	assert_string_equal(t.seen, "waws");
	loop_free(t.l);
}

static void timers_fire_by_deadline_not_by_age(void **state)
{
	struct trace t = {.l = loop_new()};

	(void)state;
	t.t[0] = loop_timer_add(t.l, 30, on_stop, &t);
	t.t[1] = loop_timer_add(t.l, 20, on_b, &t);
	t.t[2] = loop_timer_add(t.l, 10, on_a, &t);
	t.t[3] = loop_timer_add(t.l, 5, on_b, &t);
	loop_timer_set(t.t[3], -1);
	assert_int_equal(loop_run(t.l), 0);
	assert_string_equal(t.seen, "abs");
	for (int i = 0; i < 4; i++)
		loop_timer_del(t.t[i]);
	loop_free(t.l);
}

/* Both descriptors are readable in one round; the first handler deletes the second's source. */
static void on_kill_other(void *arg, int fd, unsigned events)
{
	struct trace *t = arg;
	int other = fd == t->sv[0][0] ? 1 : 0;

	assert_true(events & LOOP_READ);
	note(t, 'x');
	loop_io_del(t->io[other]);
	loop_io_del(t->io[!other]);
	loop_stop(t->l);
}

static void a_deleted_source_is_not_called(void **state)
{
	struct trace t = {.l = loop_new()};

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t.sv[i]), 0);
		assert_int_equal(write(t.sv[i][1], "!", 1), 1);
		t.io[i] = loop_io_add(t.l, t.sv[i][0], LOOP_READ, on_kill_other, &t);
		assert_non_null(t.io[i]);
	}
	assert_int_equal(loop_run(t.l), 0);
	assert_string_equal(t.seen, "x");
	for (int i = 0; i < 4; i++)
		close(t.sv[i / 2][i % 2]);
	loop_free(t.l);
}

static void *poster(void *arg)
{
	struct trace *t = arg;

	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_post(t->l, on_a, t), 0);
	assert_int_equal(loop_post(t->l, on_stop, t), 0);
	return NULL;
}

static void posts_from_a_thread_arrive_in_order(void **state)
{
	struct trace t = {.l = loop_new()};
	pthread_t th;

	(void)state;
	pthread_create(&th, NULL, poster, &t);
	assert_int_equal(loop_run(t.l), 0);
	pthread_join(th, NULL);
	assert_string_equal(t.seen, "aaaaaaaaaas");
	loop_free(t.l);
}

static void on_sig(void *arg, int signo)
{
	struct trace *t = arg;

	assert_int_equal(signo, SIGUSR1);
	note(t, 'u');
	loop_stop(t->l);
}

static void signals_arrive_as_events(void **state)
{
	struct trace t = {.l = loop_new()};

	(void)state;
	assert_int_equal(loop_signal(t.l, SIGUSR1, on_sig, &t), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(t.l), 0);
	assert_string_equal(t.seen, "u");
	loop_free(t.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_each_wait_the_hook_runs),
		cmocka_unit_test(timers_fire_by_deadline_not_by_age),
		cmocka_unit_test(a_deleted_source_is_not_called),
		cmocka_unit_test(posts_from_a_thread_arrive_in_order),
		cmocka_unit_test(signals_arrive_as_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
