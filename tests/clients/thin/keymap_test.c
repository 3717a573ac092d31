/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys travel by position: every key of a PC keyboard has a scancode of its own, and the special
 * ones the one the protocol names.
 */
#include "clients/thin/keymap.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void letters_and_digits_are_set_1(void **state)
{
	(void)state;
	assert_int_equal(thin_keymap_scancode(KEY_A), 0x1e);
	assert_int_equal(thin_keymap_scancode(KEY_1), 0x02);
	assert_int_equal(thin_keymap_scancode(KEY_SPACE), 0x39);
	assert_int_equal(thin_keymap_scancode(KEY_F10), 0x44);
	assert_int_equal(thin_keymap_scancode(KEY_102ND), 0x56);
}

static void twins_differ_by_the_extended_flag(void **state)
{
	static const struct {
		uint32_t plain, extended;
	} twins[] = {{KEY_LEFTCTRL, KEY_RIGHTCTRL}, {KEY_LEFTALT, KEY_RIGHTALT},
		     {KEY_ENTER, KEY_KPENTER},	    {KEY_SLASH, KEY_KPSLASH},
		     {KEY_KP7, KEY_HOME},	    {KEY_KPDOT, KEY_DELETE}};

	(void)state;
	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++)
		assert_int_equal(thin_keymap_scancode(twins[i].extended),
				 thin_keymap_scancode(twins[i].plain) | THIN_SCAN_EXTENDED);
}

static void no_two_keys_of_a_pc_keyboard_share_a_code(void **state)
{
	static const uint32_t upper[] = {
		KEY_102ND, KEY_F11,	 KEY_F12,	KEY_KPENTER,  KEY_RIGHTCTRL, KEY_KPSLASH,
		KEY_SYSRQ, KEY_RIGHTALT, KEY_HOME,	KEY_UP,	      KEY_PAGEUP,    KEY_LEFT,
		KEY_RIGHT, KEY_END,	 KEY_DOWN,	KEY_PAGEDOWN, KEY_INSERT,    KEY_DELETE,
		KEY_PAUSE, KEY_LEFTMETA, KEY_RIGHTMETA, KEY_COMPOSE};
	uint8_t seen[0x400] = {0};

	(void)state;
	for (uint32_t k = KEY_ESC; k <= KEY_KPDOT; k++)
		assert_int_equal(seen[thin_keymap_scancode(k)]++, 0);
	for (size_t i = 0; i < sizeof(upper) / sizeof(upper[0]); i++) {
		uint32_t code = thin_keymap_scancode(upper[i]);

		assert_int_not_equal(code, 0);
		assert_int_equal(seen[code]++, 0);
	}
}

static void unknown_keys_have_no_code(void **state)
{
	(void)state;
	assert_int_equal(thin_keymap_scancode(0), 0);
	assert_int_equal(thin_keymap_scancode(KEY_MAX), 0);
	assert_int_equal(thin_keymap_scancode(0xffffffff), 0);
}

static void hardware_codes_are_evdev_plus_8(void **state)
{
	(void)state;
	assert_int_equal(thin_keymap_evdev(38), KEY_A);
	assert_int_equal(thin_keymap_evdev(8), 0);
	assert_int_equal(thin_keymap_evdev(0), 0);
	assert_int_equal(thin_keymap_evdev(100000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_and_digits_are_set_1),
		cmocka_unit_test(twins_differ_by_the_extended_flag),
		cmocka_unit_test(no_two_keys_of_a_pc_keyboard_share_a_code),
		cmocka_unit_test(unknown_keys_have_no_code),
		cmocka_unit_test(hardware_codes_are_evdev_plus_8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
