/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The entropy device: fills what it is given, keeps to its quota, goes on the second after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/virtio_rng.h"

struct ctx {
	struct guest g;
	struct virtio_rng *rng;
	uint64_t buf;
	uint32_t len;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_rng_config c = {.bytes_per_s = 1000};
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->rng = virtio_rng_new(&env, &c, NULL);
	assert_non_null(x->rng);
	guest_start(&x->g, virtio_rng_dev(x->rng), 0);
	x->buf = guest_alloc(&x->g, 4096);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_rng_free(x->rng);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void ask(struct ctx *x, uint32_t n)
{
	struct guest_buf b = {x->buf, n, true};

	memset(guest_at(&x->g, x->buf), 0, 4096);
	guest_add(&x->g, 0, &b, 1);
	virtio_notify(x->g.dev, 0);
}

static void fills_buffers(void **state)
{
	struct ctx *x = *state;
	const uint8_t *p = guest_at(&x->g, x->buf);
	int zeros = 0;

	ask(x, 600);
	assert_true(guest_used(&x->g, 0, NULL, &x->len));
	assert_int_equal(x->len, 600);
	for (int i = 0; i < 600; i++)
		zeros += p[i] == 0;
	assert_true(zeros < 30);
	assert_int_equal(p[600], 0);
}

static bool used(void *arg)
{
	struct ctx *x = arg;

	return guest_used(&x->g, 0, NULL, &x->len);
}

static void quota_holds_and_renews(void **state)
{
	struct ctx *x = *state;

	ask(x, 900);
	ask(x, 900);
	ask(x, 900);
	assert_true(guest_used(&x->g, 0, NULL, &x->len));
	assert_int_equal(x->len, 900);
	assert_true(guest_used(&x->g, 0, NULL, &x->len));
	assert_int_equal(x->len, 100);
	assert_false(guest_used(&x->g, 0, NULL, &x->len));
	assert_true(guest_wait(&x->g, used, x, 3000));
	assert_int_equal(x->len, 900);
}

static void readable_buffer_gets_nothing(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {x->buf, 16, false};

	guest_add(&x->g, 0, &b, 1);
	virtio_notify(x->g.dev, 0);
	assert_true(guest_used(&x->g, 0, NULL, &x->len));
	assert_int_equal(x->len, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(fills_buffers),
		T(quota_holds_and_renews),
		T(readable_buffer_gets_nothing),
	};

	return guest_both_layouts(tests);
}
