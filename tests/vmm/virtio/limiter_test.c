/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The token bucket: the rate holds in the long run, what was saved is bounded, waiters go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/loop.h"
#include "vmm/virtio/limiter.h"

#define SECOND 1000000000ll

struct ctx {
	struct loop *loop;
	struct limiter l;
	int resumed;
};

static void on_resume(void *arg)
{
	struct ctx *x = arg;

	x->resumed++;
	loop_stop(x->loop);
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	x->loop = loop_new();
	assert_int_equal(limiter_init(&x->l, x->loop, on_resume, x), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	limiter_fini(&x->l);
	loop_free(x->loop);
	free(x);
	return 0;
}

/* Requests of `bytes` as fast as they are let through during s seconds from now. */
static uint64_t let_through(struct limiter *l, uint64_t bytes, int64_t *now, int64_t s)
{
	int64_t end = *now + s * SECOND;
	uint64_t n = 0;

	while (*now < end) {
		int64_t wait = limiter_wait_ns(l, *now);

		*now += wait;
		if (wait)
			continue;
		limiter_charge_at(l, bytes, *now);
		n++;
		assert_true(n < 100000);
	}
	return n;
}

static void rates_hold(void **state)
{
	static const struct {
		struct limit limit;
		uint64_t bytes, per_s; /* requests expected */
	} t[] = {
		{{.bytes_per_s = 1000000}, 1000, 1000},
		{{.ops_per_s = 50}, 1 << 20, 50},
		{{.bytes_per_s = 1000000, .ops_per_s = 100}, 1000, 100},
		{{.bytes_per_s = 1000000, .ops_per_s = 100}, 100000, 10},
		{{.bytes_per_s = 3, .burst_ms = 1}, 1, 3},
	};
	struct ctx *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t now = 1000 * SECOND;
		uint64_t n, want = 20 * t[i].per_s;

		limiter_set(&x->l, &t[i].limit);
		n = let_through(&x->l, t[i].bytes, &now, 20);
		assert_in_range(n, want - 1, want + t[i].per_s / 10 + 2);
	}
}

static void what_is_saved_is_bounded(void **state)
{
	struct limit limit = {.ops_per_s = 1000, .burst_ms = 200};
	struct ctx *x = *state;
	int64_t now = 1000 * SECOND;
	unsigned n = 0;

	limiter_set(&x->l, &limit);
	for (int i = 0; i < 2; i++, n = 0) {
		now += 3600 * SECOND;
		for (; !limiter_wait_ns(&x->l, now); n++)
			limiter_charge_at(&x->l, 0, now);
		assert_in_range(n, 200, 201);
	}
}

static void a_request_larger_than_the_bucket_passes(void **state)
{
	struct limit limit = {.bytes_per_s = 1000};
	struct ctx *x = *state;
	int64_t now = 1000 * SECOND;

	limiter_set(&x->l, &limit);
	assert_int_equal(limiter_wait_ns(&x->l, now), 0);
	limiter_charge_at(&x->l, 10000, now);
	assert_in_range(limiter_wait_ns(&x->l, now), 9 * SECOND, 10 * SECOND);
	limiter_charge_at(&x->l, UINT64_MAX, now); /* absurd: bounded, and no overflow */
	assert_true(limiter_wait_ns(&x->l, now) > 0);
}

static void waiters_go_on(void **state)
{
	struct limit limit = {.ops_per_s = 100, .burst_ms = 1}, none = {0};
	struct ctx *x = *state;

	limiter_set(&x->l, &limit);
	assert_int_equal(loop_run(x->loop), 0); /* a new limit resumes */
	assert_int_equal(x->resumed, 1);
	while (limiter_ready(&x->l))
		limiter_charge(&x->l, 0);
	assert_int_equal(loop_run(x->loop), 0);
	assert_int_equal(x->resumed, 2);
	assert_true(limiter_ready(&x->l));
	limiter_charge_at(&x->l, 0, clock_ns() + 100 * SECOND);
	assert_false(limiter_ready(&x->l));
	limiter_set(&x->l, &none);
	assert_true(limiter_ready(&x->l));
	assert_int_equal(loop_run(x->loop), 0);
	assert_int_equal(x->resumed, 3);
}

static void bounds(void **state)
{
	struct limit a = {.bytes_per_s = LIMIT_RATE_MAX, .ops_per_s = LIMIT_RATE_MAX};

	(void)state;
	assert_true(limit_ok(&a));
	a.bytes_per_s++;
	assert_false(limit_ok(&a));
	a = (struct limit){.burst_ms = LIMIT_BURST_MS_MAX + 1};
	assert_false(limit_ok(&a));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rates_hold),
		T(what_is_saved_is_bounded),
		T(a_request_larger_than_the_bucket_passes),
		T(waiters_go_on),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
