/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Key codes: the corners of the scan code map, and every US-ASCII character.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/input-event-codes.h>
#include "display/keys.h"

static void scancodes_are_evdev_below_0x54(void **state)
{
	(void)state;
	assert_int_equal(disp_key_scancode(0x01, false), KEY_ESC);
	assert_int_equal(disp_key_scancode(0x1e, false), KEY_A);
	assert_int_equal(disp_key_scancode(0x53, false), KEY_KPDOT);
	assert_int_equal(disp_key_scancode(0x56, false), KEY_102ND);
	assert_int_equal(disp_key_scancode(0x58, false), KEY_F12);
}

static void extended_scancodes_are_other_keys(void **state)
{
	(void)state;
	assert_int_equal(disp_key_scancode(0x1c, true), KEY_KPENTER);
	assert_int_equal(disp_key_scancode(0x1d, true), KEY_RIGHTCTRL);
	assert_int_equal(disp_key_scancode(0x38, true), KEY_RIGHTALT);
	assert_int_equal(disp_key_scancode(0x4b, true), KEY_LEFT);
	assert_int_equal(disp_key_scancode(0x53, true), KEY_DELETE);
	assert_int_equal(disp_key_scancode(0x5b, true), KEY_LEFTMETA);
}

static void codes_out_of_range_are_nothing(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x10000; c = c * 2 + 1) {
		assert_int_equal(disp_key_scancode(c, false), 0);
		assert_int_equal(disp_key_scancode(c, true), 0);
	}
	assert_int_equal(disp_key_scancode(0x01, true), 0);
}

static void every_ascii_character_has_one_key_and_level(void **state)
{
	bool seen[2][256] = {{false}};
	enum disp_shift shift;

	(void)state;
	for (uint32_t c = 0x21; c < 0x7f; c++) {
		uint32_t key = disp_key_keysym(c, &shift);

		assert_in_range(key, 1, 255);
		assert_int_not_equal(shift, DISP_SHIFT_ANY);
		assert_false(seen[shift == DISP_SHIFT_DOWN][key]);
		seen[shift == DISP_SHIFT_DOWN][key] = true;
	}
	assert_int_equal(disp_key_keysym(' ', &shift), KEY_SPACE);
}

static void named_keys(void **state)
{
	enum disp_shift shift;

	(void)state;
	assert_int_equal(disp_key_keysym(0xff0d, &shift), KEY_ENTER);
	assert_int_equal(shift, DISP_SHIFT_ANY);
	assert_int_equal(disp_key_keysym(0xffc9, &shift), KEY_F12);
	assert_int_equal(disp_key_keysym(0xffe1, &shift), KEY_LEFTSHIFT);
	assert_int_equal(disp_key_keysym(0xfe03, &shift), KEY_RIGHTALT);
	assert_int_equal(disp_key_keysym(0x20ac, &shift),
			 0); /* the euro sign: not on a US keyboard */
}

/* The viewer's lock keys are in its keysyms already. */
static void lock_keys_stay_with_the_viewer(void **state)
{
	enum disp_shift shift;

	(void)state;
	assert_int_equal(disp_key_keysym(0xffe5, &shift), 0);
	assert_int_equal(disp_key_keysym(0xff7f, &shift), 0);
	assert_int_equal(disp_key_keysym(0xffb7, &shift), KEY_7);
	assert_int_equal(shift, DISP_SHIFT_UP);
	assert_int_equal(disp_key_keysym(0xff95, &shift), KEY_HOME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scancodes_are_evdev_below_0x54),
		cmocka_unit_test(extended_scancodes_are_other_keys),
		cmocka_unit_test(codes_out_of_range_are_nothing),
		cmocka_unit_test(every_ascii_character_has_one_key_and_level),
		cmocka_unit_test(named_keys),
		cmocka_unit_test(lock_keys_stay_with_the_viewer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
