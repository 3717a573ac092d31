/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue and the held requests: bounded, woken by key, expired in time, superseded, drained at
 * the end. The run function stands in for the handlers; no database is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/work.h"
#include "common/loop.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

static sem_t answered, attempted;

/* Holds what comes under "hold" until it is expired, superseded or woken a second time. */
static enum req_step run(void *arg, struct db *db, struct req *r)
{
	int *woken = arg;
	bool first = !r->wait_until_ms;

	(void)db;
	sem_post(&attempted);
	if (strcmp(r->path, "hold") || r->expired || r->superseded || (!first && *woken))
		return req_reply(r, 200, NULL);
	return req_hold(r, atoi(r->after), "key:%s", r->method);
}

static void done(struct req *r)
{
	r->answered = true;
	sem_post(&answered);
}

static bool wait_sem(sem_t *s, int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return sem_timedwait(s, &t) == 0;
}

static struct work *start(int *woken, int max)
{
	struct work_params p = {.threads = 2,
				.max_waiting = max,
				.conninfo = "host=/nonexistent",
				.run = run,
				.done = done,
				.arg = woken};
	struct work *w = work_new(&p, NULL);

	sem_init(&answered, 0, 0);
	sem_init(&attempted, 0, 0);
	assert_non_null(w);
	return w;
}

static struct req *make(const char *path, const char *key, const char *wait_s)
{
	struct req *r = req_new();

	assert_non_null(r);
	snprintf(r->path, sizeof(r->path), "%s", path);
	snprintf(r->method, sizeof(r->method), "%s", key);
	snprintf(r->after, sizeof(r->after), "%s", wait_s);
	return r;
}

static void answers_and_stops(void **state)
{
	int woken = 0;
	struct work *w = start(&woken, 10);
	struct req *r = make("now", "", "0");

	(void)state;
	assert_int_equal(work_submit(w, r), 0);
	assert_true(wait_sem(&answered, 2000));
	assert_int_equal(r->status, 200);
	work_stop(w);
	assert_int_equal(work_submit(w, r), -EBUSY);
	work_free(w);
	req_free(r);
}

static void a_key_wakes_its_own(void **state)
{
	int woken = 0;
	struct work *w = start(&woken, 10);
	struct req *a = make("hold", "a", "60"), *b = make("hold", "b", "60");

	(void)state;
	assert_int_equal(work_submit(w, a), 0);
	assert_int_equal(work_submit(w, b), 0);
	assert_true(wait_sem(&attempted, 2000));
	assert_true(wait_sem(&attempted, 2000));
	assert_false(wait_sem(&answered, 50));
	woken = 1;
	work_wake(w, "key:a");
	assert_true(wait_sem(&answered, 2000));
	assert_true(a->answered);
	assert_false(b->answered);
	work_wake_one(w, "key:b");
	assert_true(wait_sem(&answered, 2000));
	work_stop(w);
	work_free(w);
	req_free(a);
	req_free(b);
}

static void waiting_is_bounded(void **state)
{
	int woken = 0;
	struct work *w = start(&woken, 2);
	struct req *r[3] = {make("hold", "a", "60"), make("hold", "a", "60"), make("now", "", "0")};

	(void)state;
	assert_int_equal(work_submit(w, r[0]), 0);
	assert_int_equal(work_submit(w, r[1]), 0);
	assert_int_equal(work_submit(w, r[2]), -EBUSY);
	work_stop(w);
	assert_true(r[0]->answered && r[1]->answered);
	assert_int_equal(r[0]->status, 503);
	work_free(w);
	for (int i = 0; i < 3; i++)
		req_free(r[i]);
}

static void waits_expire(void **state)
{
	int woken = 0;
	struct work *w = start(&woken, 2);
	struct req *r = make("hold", "a", "1");
	int64_t begin = clock_ms();

	(void)state;
	assert_int_equal(work_submit(w, r), 0);
	while (!wait_sem(&answered, 20))
		work_tick(w);
	assert_in_range(clock_ms() - begin, 1000, 1900);
	assert_true(r->expired);
	work_stop(w);
	work_free(w);
	req_free(r);
}

static void a_newer_one_supersedes(void **state)
{
	int woken = 0;
	struct work *w = start(&woken, 4);
	struct req *old = make("hold", "h", "60"), *new = make("hold", "h", "60");

	(void)state;
	assert_int_equal(work_submit(w, old), 0);
	assert_true(wait_sem(&attempted, 2000));
	do /* it may not be held yet */
		work_supersede(w, "key:h", new);
	while (!wait_sem(&answered, 20));
	assert_true(old->superseded);
	work_stop(w);
	work_free(w);
	req_free(old);
	req_free(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_stops),	  cmocka_unit_test(a_key_wakes_its_own),
		cmocka_unit_test(waiting_is_bounded),	  cmocka_unit_test(waits_expire),
		cmocka_unit_test(a_newer_one_supersedes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
