/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys of several layouts as the characters that stand on them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/input-event-codes.h>
#include "display/lobby/keys.h"

static const char *press(struct lobby_keys *k, uint32_t code)
{
	static struct lobby_key out;
	struct lobby_key up;

	lobby_keys_press(k, code, true, &out);
	lobby_keys_press(k, code, false, &up);
	assert_int_equal(up.keysym, 0);
	return out.utf8;
}

static void layouts_differ(void **state)
{
	static const struct {
		uint32_t layout, code;
		const char *text;
	} keys[] = {{0x409, KEY_Y, "y"}, {0x407, KEY_Y, "z"},
		    {0x40c, KEY_Q, "a"}, {0x407, KEY_SEMICOLON, "\u00f6"},
		    {0x419, KEY_Q, "q"}, {0xdead, KEY_Y, "y"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct lobby_keys *k = lobby_keys_new(keys[i].layout);

		assert_non_null(k);
		assert_string_equal(press(k, keys[i].code), keys[i].text);
		lobby_keys_free(k);
	}
}

/* Windows sends AltGr as left Ctrl and right Alt. */
static void altgr_with_its_ctrl_makes_characters(void **state)
{
	struct lobby_keys *k = lobby_keys_new(0x407);
	struct lobby_key out;

	(void)state;
	assert_non_null(k);
	lobby_keys_press(k, KEY_LEFTCTRL, true, &out);
	lobby_keys_press(k, KEY_U, true, &out);
	assert_true(out.control);
	lobby_keys_press(k, KEY_U, false, &out);
	lobby_keys_press(k, KEY_RIGHTALT, true, &out);
	lobby_keys_press(k, KEY_Q, true, &out);
	assert_string_equal(out.utf8, "@");
	assert_false(out.control);
	lobby_keys_free(k);
}

static void shift_and_dead_keys(void **state)
{
	struct lobby_keys *k = lobby_keys_new(0x407);
	struct lobby_key out;

	(void)state;
	lobby_keys_press(k, KEY_LEFTSHIFT, true, &out);
	assert_string_equal(press(k, KEY_7), "/");
	lobby_keys_press(k, KEY_TAB, true, &out);
	assert_true(out.shift);
	lobby_keys_press(k, KEY_TAB, false, &out);
	lobby_keys_press(k, KEY_LEFTSHIFT, false, &out);
	assert_string_equal(press(k, KEY_EQUAL), ""); /* dead acute */
	assert_string_equal(press(k, KEY_E), "\u00e9");
	lobby_keys_character(0x010020ac, &out);
	assert_string_equal(out.utf8, "\u20ac");
	lobby_keys_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts_differ),
		cmocka_unit_test(altgr_with_its_ctrl_makes_characters),
		cmocka_unit_test(shift_and_dead_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
