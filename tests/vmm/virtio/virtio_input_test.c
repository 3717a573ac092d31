/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keyboard and tablet against fake RAM: events as Linux expects them, and that nothing stays
 * pressed when the guest does not listen for a while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/input.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/virtio_input.h"

struct ctx {
	struct guest g;
	struct virtio_input *in;
	uint64_t bufs;
	unsigned posted, seen;
};

static struct ctx *make(enum virtio_input_kind kind)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->in = virtio_input_new(&env, kind, NULL);
	assert_non_null(x->in);
	guest_start(&x->g, virtio_input_dev(x->in), VIRTIO_F_EVENT_IDX);
	x->bufs = guest_alloc(&x->g, 64 * 8);
	return x;
}

static int setup_keyboard(void **state)
{
	*state = make(VIRTIO_INPUT_KEYBOARD);
	return 0;
}

static int setup_tablet(void **state)
{
	*state = make(VIRTIO_INPUT_TABLET);
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_input_free(x->in);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void post(struct ctx *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct guest_buf b = {x->bufs + 8 * (x->posted++ % 64), 8, true};

		guest_add(&x->g, 0, &b, 1);
	}
	virtio_notify(x->g.dev, 0);
}

static void expect(struct ctx *x, uint16_t type, uint16_t code, int32_t value)
{
	const uint8_t *p = guest_at(&x->g, x->bufs + 8 * (x->seen++ % 64));
	uint32_t len = 0;

	assert_true(guest_used(&x->g, 0, NULL, &len));
	assert_int_equal(len, 8);
	assert_int_equal(get_le16(p), type);
	assert_int_equal(get_le16(p + 2), code);
	assert_int_equal((int32_t)get_le32(p + 4), value);
}

static void expect_nothing(struct ctx *x)
{
	assert_false(guest_used(&x->g, 0, NULL, NULL));
}

static void keys_are_reported(void **state)
{
	struct ctx *x = *state;

	post(x, 32);
	virtio_input_key(x->in, KEY_A, true);
	virtio_input_key(x->in, KEY_A, true); /* repetition */
	virtio_input_key(x->in, KEY_A, false);
	virtio_input_key(x->in, BTN_LEFT, true);
	virtio_input_key(x->in, 0xffffffff, true);
	expect(x, EV_KEY, KEY_A, 1);
	expect(x, EV_SYN, SYN_REPORT, 0);
	expect(x, EV_KEY, KEY_A, 0);
	expect(x, EV_SYN, SYN_REPORT, 0);
	expect_nothing(x);
	assert_true(x->g.signals[0] > 0);
}

static void pointer_is_scaled(void **state)
{
	struct ctx *x = *state;

	post(x, 32);
	virtio_input_pointer(x->in, 1279, 0, 1280, 800);
	expect(x, EV_ABS, ABS_X, 32767);
	expect(x, EV_ABS, ABS_Y, 0);
	expect(x, EV_SYN, SYN_REPORT, 0);
	virtio_input_pointer(x->in, 1279, 0, 1280, 800); /* did not move */
	expect_nothing(x);
	virtio_input_pointer(x->in, 5000, 799, 1280, 800);
	expect(x, EV_ABS, ABS_X, 32767);
	expect(x, EV_ABS, ABS_Y, 32767);
	expect(x, EV_SYN, SYN_REPORT, 0);
	virtio_input_key(x->in, BTN_LEFT, true);
	expect(x, EV_KEY, BTN_LEFT, 1);
	expect(x, EV_SYN, SYN_REPORT, 0);
	virtio_input_pointer(x->in, 1, 1, 0, 0);
	expect(x, EV_ABS, ABS_X, 0);
}

static void wheel_adds_up_notches(void **state)
{
	struct ctx *x = *state;

	post(x, 32);
	virtio_input_wheel(x->in, 60, 0);
	expect(x, EV_REL, REL_WHEEL_HI_RES, 60);
	expect(x, EV_SYN, SYN_REPORT, 0);
	virtio_input_wheel(x->in, 60, -120);
	expect(x, EV_REL, REL_WHEEL_HI_RES, 60);
	expect(x, EV_REL, REL_WHEEL, 1);
	expect(x, EV_REL, REL_HWHEEL_HI_RES, -120);
	expect(x, EV_REL, REL_HWHEEL, -1);
	expect(x, EV_SYN, SYN_REPORT, 0);
	virtio_input_wheel(x->in, INT32_MIN, INT32_MAX);
	expect(x, EV_REL, REL_WHEEL_HI_RES, -12000);
}

static void backlog_waits_for_buffers(void **state)
{
	struct ctx *x = *state;

	virtio_input_key(x->in, KEY_A, true);
	virtio_input_key(x->in, KEY_B, true);
	expect_nothing(x);
	post(x, 3);
	expect(x, EV_KEY, KEY_A, 1);
	expect(x, EV_SYN, SYN_REPORT, 0);
	expect(x, EV_KEY, KEY_B, 1);
	expect_nothing(x);
	post(x, 1);
	expect(x, EV_SYN, SYN_REPORT, 0);
}

/* More strokes than fit while the guest sleeps; afterwards its idea of every key is
 * ours. */
static void overflow_leaves_no_key_stuck(void **state)
{
	struct ctx *x = *state;
	uint8_t down[KEY_CNT] = {0};

	for (int i = 0; i < VIRTIO_INPUT_BACKLOG; i++) {
		virtio_input_key(x->in, (uint32_t)(KEY_Q + i % 8), true);
		if (i % 8 != 3 || i < VIRTIO_INPUT_BACKLOG - 100)
			virtio_input_key(x->in, (uint32_t)(KEY_Q + i % 8), false);
	}
	for (int round = 0; round < VIRTIO_INPUT_BACKLOG; round++) {
		uint32_t len;

		post(x, 8);
		while (guest_used(&x->g, 0, NULL, &len)) {
			const uint8_t *p = guest_at(&x->g, x->bufs + 8 * (x->seen++ % 64));

			if (get_le16(p) == EV_KEY)
				down[get_le16(p + 2)] = p[4];
		}
		if (x->posted - x->seen > 40)
			break;
	}
	for (int i = 0; i < KEY_CNT; i++)
		assert_int_equal(down[i], i == KEY_Q + 3);
	virtio_input_release(x->in);
	expect(x, EV_KEY, KEY_Q + 3, 0);
}

static void new_driver_is_told_what_is_held(void **state)
{
	struct ctx *x = *state;

	post(x, 8);
	virtio_input_key(x->in, KEY_LEFTSHIFT, true);
	guest_start(&x->g, virtio_input_dev(x->in), 0);
	x->posted = x->seen = 0;
	post(x, 8);
	expect(x, EV_KEY, KEY_LEFTSHIFT, 1);
	expect(x, EV_SYN, SYN_REPORT, 0);
	expect_nothing(x);
}

static void select_config(struct ctx *x, uint8_t sel, uint8_t sub, uint8_t *c)
{
	uint8_t w[2] = {sel, sub};

	virtio_config_write(x->g.dev, 0, w, 2);
	virtio_config_read(x->g.dev, 0, c, 136);
}

static void config_describes_the_tablet(void **state)
{
	struct ctx *x = *state;
	uint8_t c[136];

	select_config(x, 1, 0, c);
	assert_int_equal(c[2], strlen("Pane Tablet"));
	assert_memory_equal(c + 8, "Pane Tablet", c[2]);
	select_config(x, 0x12, ABS_Y, c);
	assert_int_equal(c[2], 20);
	assert_int_equal(get_le32(c + 12), 32767);
	select_config(x, 0x12, 5, c);
	assert_int_equal(c[2], 0);
	select_config(x, 0x11, EV_KEY, c);
	assert_true(c[8 + BTN_LEFT / 8] & 1 << BTN_LEFT % 8);
	assert_true(c[8 + BTN_EXTRA / 8] & 1 << BTN_EXTRA % 8);
	assert_false(c[8 + KEY_A / 8] & 1 << KEY_A % 8);
	select_config(x, 0x11, EV_REL, c);
	assert_int_equal(c[8] | c[9] << 8, 1 << REL_WHEEL | 1 << REL_HWHEEL |
						   1 << REL_WHEEL_HI_RES | 1 << REL_HWHEEL_HI_RES);
	select_config(x, 0xff, 0xff, c);
	assert_int_equal(c[2], 0);
}

static void config_describes_the_keyboard(void **state)
{
	struct ctx *x = *state;
	uint8_t c[136];

	select_config(x, 0x11, EV_KEY, c);
	assert_true(c[8 + KEY_A / 8] & 1 << KEY_A % 8);
	assert_false(c[2] > BTN_MISC / 8);
	select_config(x, 0x11, EV_REP, c);
	assert_true(c[2] > 0);
	select_config(x, 0x11, EV_ABS, c);
	assert_int_equal(c[2], 0);
}

static void status_buffers_come_back(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {x->bufs, 8, false};

	guest_add(&x->g, 1, &b, 1);
	virtio_notify(x->g.dev, 1);
	assert_true(guest_used(&x->g, 1, NULL, NULL));
}

static void short_buffer_breaks_the_device(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {x->bufs, 7, true};

	guest_add(&x->g, 0, &b, 1);
	virtio_notify(x->g.dev, 0);
	virtio_input_key(x->in, KEY_A, true);
	assert_true(guest_needs_reset(&x->g));
	virtio_input_key(x->in, KEY_A, false);
}

int main(void)
{
#define K(f) cmocka_unit_test_setup_teardown(f, setup_keyboard, teardown)
#define T(f) cmocka_unit_test_setup_teardown(f, setup_tablet, teardown)
	const struct CMUnitTest tests[] = {
		K(keys_are_reported),
		T(pointer_is_scaled),
		T(wheel_adds_up_notches),
		K(backlog_waits_for_buffers),
		K(overflow_leaves_no_key_stuck),
		K(new_driver_is_told_what_is_held),
		T(config_describes_the_tablet),
		K(config_describes_the_keyboard),
		K(status_buffers_come_back),
		K(short_buffer_breaks_the_device),
	};

	return guest_both_layouts(tests);
}
