/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/i8042.c: strokes in both scan code sets, the mouse and its wheel, resets, lost strokes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>

#include "vmm/pc/i8042.h"

struct bench {
	struct i8042 k;
	bool irq[2];
	unsigned edges[2], resets;
};

static void on_irq(void *arg, bool mouse, bool level)
{
	struct bench *b = arg;

	b->edges[mouse] += level && !b->irq[mouse];
	b->irq[mouse] = level;
}

static void on_reset(void *arg)
{
	((struct bench *)arg)->resets++;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	i8042_init(&b->k, on_irq, on_reset, b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	i8042_fini(&b->k);
	free(b);
	return 0;
}

static void command(struct bench *b, uint8_t v)
{
	uint64_t value = v;

	i8042_command_access(&b->k, true, 0, 1, &value);
}

static void data(struct bench *b, uint8_t v)
{
	uint64_t value = v;

	i8042_data_access(&b->k, true, 0, 1, &value);
}

static uint8_t status(struct bench *b)
{
	uint64_t v = 0;

	i8042_command_access(&b->k, false, 0, 1, &v);
	return (uint8_t)v;
}

/* The next byte, or -1. */
static int next(struct bench *b)
{
	uint64_t v = 0;

	if (!(status(b) & 1))
		return -1;
	i8042_data_access(&b->k, false, 0, 1, &v);
	return (int)v;
}

#define expect(b, ...)                                                                             \
	do {                                                                                       \
		const int bytes_[] = {__VA_ARGS__, -1};                                            \
		for (unsigned i_ = 0; i_ < sizeof(bytes_) / sizeof(*bytes_); i_++)                 \
			assert_int_equal(next(b), bytes_[i_]);                                     \
	} while (0)

static void test_strokes(void **state)
{
	struct bench *b = *state;

	i8042_key(&b->k, KEY_A, true);
	assert_true(b->irq[0]);
	i8042_key(&b->k, KEY_A, false);
	expect(b, 0x1e, 0x9e);
	assert_false(b->irq[0]);
	assert_int_equal(b->edges[0], 2);
	i8042_key(&b->k, KEY_UP, true);
	i8042_key(&b->k, KEY_UP, false);
	expect(b, 0xe0, 0x48, 0xe0, 0xc8);
	i8042_key(&b->k, KEY_F7, true);
	expect(b, 0x41);
	i8042_key(&b->k, KEY_102ND, true);
	expect(b, 0x56);
	i8042_key(&b->k, KEY_PAUSE, true);
	expect(b, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
	i8042_key(&b->k, 200, true); /* no such key */
	i8042_key(&b->k, 0, true);
	assert_int_equal(next(b), -1);
}

static void test_untranslated(void **state)
{
	struct bench *b = *state;

	command(b, 0x60);
	data(b, 1);
	i8042_key(&b->k, KEY_A, true);
	i8042_key(&b->k, KEY_A, false);
	expect(b, 0x1c, 0xf0, 0x1c);
	command(b, 0x20);
	expect(b, 1);
}

static void test_keyboard_commands(void **state)
{
	struct bench *b = *state;

	data(b, 0xf2);
	expect(b, 0xfa, 0xab, 0x41);
	data(b, 0xed);
	data(b, 7);
	expect(b, 0xfa, 0xfa);
	data(b, 0xff);
	expect(b, 0xfa, 0xaa);
	data(b, 0xf5);
	expect(b, 0xfa);
	i8042_key(&b->k, KEY_A, true); /* off: not told */
	assert_int_equal(next(b), -1);
	command(b, 0xaa);
	expect(b, 0x55);
}

/* Nobody reads: presses are lost, but a release that was lost comes when there is room. */
static void test_nothing_stuck(void **state)
{
	struct bench *b = *state;
	int last = -1, v;

	i8042_key(&b->k, KEY_LEFTSHIFT, true);
	for (unsigned i = 0; i < 100; i++) {
		i8042_key(&b->k, KEY_A, true);
		i8042_key(&b->k, KEY_A, false);
	}
	i8042_key(&b->k, KEY_LEFTSHIFT, false);
	while ((v = next(b)) >= 0)
		last = v;
	assert_int_equal(last, 0xaa); /* the shift key's release */
}

static void to_mouse(struct bench *b, uint8_t v)
{
	command(b, 0xd4);
	data(b, v);
}

static void test_mouse(void **state)
{
	struct bench *b = *state;

	to_mouse(b, 0xf2);
	assert_true(status(b) & 0x20);
	assert_true(b->irq[1]);
	expect(b, 0xfa, 0);
	i8042_move(&b->k, 5, 5, 0); /* not reporting yet */
	assert_int_equal(next(b), -1);
	to_mouse(b, 0xf6);
	expect(b, 0xfa);
	to_mouse(b, 0xf4);
	expect(b, 0xfa);
	i8042_move(&b->k, 3, 2, 0);
	expect(b, 0x28, 3, 0xfe); /* down is negative */
	i8042_button(&b->k, BTN_RIGHT, true);
	expect(b, 0x0a, 0, 0);
	i8042_move(&b->k, 300, 0, 0); /* more than a report holds: two */
	expect(b, 0x0a, 255, 0, 0x0a, 45, 0);
	i8042_release(&b->k);
	expect(b, 0x08, 0, 0);
}

static void test_wheel(void **state)
{
	static const uint8_t knock[] = {200, 100, 80};
	struct bench *b = *state;

	for (unsigned i = 0; i < 3; i++) {
		to_mouse(b, 0xf3);
		to_mouse(b, knock[i]);
		while (next(b) >= 0)
			continue;
	}
	to_mouse(b, 0xf2);
	expect(b, 0xfa, 3);
	to_mouse(b, 0xf4);
	expect(b, 0xfa);
	i8042_move(&b->k, 0, 0, 1);
	expect(b, 8, 0, 0, 0xff);
}

static void test_reset(void **state)
{
	struct bench *b = *state;

	command(b, 0xfe);
	command(b, 0xff); /* pulses nothing */
	command(b, 0xd1);
	data(b, 0x02);
	command(b, 0xd1);
	data(b, 0x03); /* reset line high */
	assert_int_equal(b->resets, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_strokes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untranslated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keyboard_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mouse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wheel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
	};

	return cmocka_run_group_tests_name("i8042: keyboard, mouse, resets", tests, NULL, NULL);
}
