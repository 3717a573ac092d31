/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The device core with a device that does nothing: the order of initialisation, what works when,
 * and what DEVICE_NEEDS_RESET means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include "tests/vmm/virtio/guest.h"

struct ctx {
	struct guest g;
	struct virtio_dev d;
	int starts, notifies, resets;
};

static struct ctx *of(struct virtio_dev *d)
{
	return (struct ctx *)(void *)((char *)d - offsetof(struct ctx, d));
}

static void start(struct virtio_dev *d)
{
	of(d)->starts++;
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtq_chain c;

	of(d)->notifies++;
	while (virtio_pop(d, q, &c)) {
		virtio_push(d, q, &c, 1);
		virtio_signal(d, q);
	}
}

static void reset(struct virtio_dev *d)
{
	assert_false(virtio_running(d));
	of(d)->resets++;
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	(void)d;
	assert_true(off + n <= 6);
	memset(dst, 0x55, n);
}

static const struct virtio_ops ops = {
	.config_read = config_read, .start = start, .notify = notify, .reset = reset};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->d.ops = &ops;
	x->d.name = "test";
	x->d.offered = 1;
	x->d.config_bytes = 6;
	x->d.queues = 2;
	x->d.queue_size[0] = x->d.queue_size[1] = 16;
	assert_int_equal(virtio_dev_init(&x->d, &env, NULL), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_dev_fini(&x->d);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void queues_work_after_driver_ok_only(void **state)
{
	struct ctx *x = *state;

	virtio_notify(&x->d, 0);
	assert_int_equal(x->notifies, 0);
	virtio_queue_enable(&x->d, 0); /* too early */
	assert_false(x->d.vq[0].enabled);
	virtio_status_set(&x->d, 0xf); /* FEATURES_OK refused: not virtio 1 */
	assert_int_equal(virtio_status_get(&x->d), 3);
	assert_int_equal(x->starts, 0);
	guest_start(&x->g, &x->d, 1);
	assert_int_equal(virtio_status_get(&x->d), 15);
	assert_int_equal(x->starts, 1);
	virtio_status_set(&x->d, 15);
	assert_int_equal(x->starts, 1);
	virtio_notify(&x->d, 1);
	virtio_notify(&x->d, 2);
	assert_int_equal(x->notifies, 1);
}

static void features_are_frozen(void **state)
{
	struct ctx *x = *state;

	guest_start(&x->g, &x->d, 1);
	virtio_features_set(&x->d, 0, 0);
	assert_int_equal(virtio_features_get(&x->d, true, 0), 1);
	assert_int_equal(virtio_features_get(&x->d, false, 1), 5); /* VERSION_1, RING_PACKED */
	assert_int_equal(virtio_features_get(&x->d, false, 2), 0);
	virtio_features_set(&x->d, 5, 7);
	guest_start(&x->g, &x->d, 2); /* not offered */
	assert_int_equal(virtio_status_get(&x->d) & 8, 0);
}

static void status_bits_stay(void **state)
{
	struct ctx *x = *state;

	guest_start(&x->g, &x->d, 0);
	virtio_status_set(&x->d, 1);
	assert_int_equal(virtio_status_get(&x->d), 15);
	virtio_status_set(&x->d, VIRTIO_S_NEEDS_RESET); /* not the driver's to set */
	assert_int_equal(virtio_status_get(&x->d), 15);
}

static void broken_ring_needs_a_reset(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 16, true};

	guest_start(&x->g, &x->d, 0);
	guest_publish(&x->g, 0, 500);
	virtio_notify(&x->d, 0);
	assert_true(guest_needs_reset(&x->g));
	assert_int_equal(x->g.config_signals, 1);
	guest_add(&x->g, 1, &b, 1); /* the other queue stops as well */
	virtio_notify(&x->d, 1);
	assert_false(guest_used(&x->g, 1, NULL, NULL));
	virtio_status_set(&x->d, 0);
	assert_true(x->resets > 0);
	assert_int_equal(virtio_status_get(&x->d), 0);
	guest_start(&x->g, &x->d, 0);
	guest_add(&x->g, 1, &b, 1);
	virtio_notify(&x->d, 1);
	assert_true(guest_used(&x->g, 1, NULL, NULL));
	assert_int_equal(x->g.signals[1], 1);
}

static void config_stays_inside(void **state)
{
	struct ctx *x = *state;
	uint8_t b[8];

	virtio_config_read(&x->d, 4, b, 8);
	assert_memory_equal(b, "\x55\x55\0\0\0\0\0\0", 8);
	virtio_config_read(&x->d, UINT32_MAX, b, 8);
	assert_int_equal(b[0], 0);
	virtio_config_write(&x->d, 0, b, 4); /* read-only */
	virtio_config_write(&x->d, 5, b, 4);
}

/* With EVENT_IDX the driver only notifies when asked: after every emptying it must be asked. */
static void notification_is_asked_for_again(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 16, true};

	guest_start(&x->g, &x->d, VIRTIO_F_EVENT_IDX);
	for (uint16_t i = 0; i < 40; i++) {
		const uint8_t *used = guest_at(&x->g, x->g.q[0].used);

		assert_int_equal(get_le16(used + 4 + 8 * 16), i);
		guest_add(&x->g, 0, &b, 1);
		virtio_notify(&x->d, 0);
		assert_true(guest_used(&x->g, 0, NULL, NULL));
	}
}

static void too_many_queues_are_our_mistake(void **state)
{
	struct ctx *x = *state;
	struct virtio_dev d = {.name = "x", .queues = VIRTIO_QUEUES + 1};
	struct virtio_env env = guest_env(&x->g);

	assert_int_equal(virtio_dev_init(&d, &env, NULL), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(queues_work_after_driver_ok_only),
		T(features_are_frozen),
		T(status_bits_stay),
		T(broken_ring_needs_a_reset),
		T(config_stays_inside),
		T(notification_is_asked_for_again),
		T(too_many_queues_are_our_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
