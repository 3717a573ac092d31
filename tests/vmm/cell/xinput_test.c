/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Wheel steps and button numbers; injection itself is proved by the story (cell_test.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/input-event-codes.h>
#include "vmm/cell/xinput.h"

static void test_notches(void **state)
{
	int32_t rest = 0;

	(void)state;
	assert_int_equal(xinput_notches(&rest, 120), 1);
	assert_int_equal(xinput_notches(&rest, 60), 0);
	assert_int_equal(xinput_notches(&rest, 60), 1);
	assert_int_equal(xinput_notches(&rest, -30), 0);
	assert_int_equal(xinput_notches(&rest, -90), -1);
	assert_int_equal(rest, 0);
	assert_int_equal(xinput_notches(&rest, INT32_MIN), -64);
	assert_int_equal(xinput_notches(&rest, INT32_MAX), 64);
}

static void test_buttons(void **state)
{
	(void)state;
	assert_int_equal(xinput_button_number(BTN_LEFT), 1);
	assert_int_equal(xinput_button_number(BTN_MIDDLE), 2);
	assert_int_equal(xinput_button_number(BTN_RIGHT), 3);
	assert_int_equal(xinput_button_number(BTN_SIDE), 8);
	assert_int_equal(xinput_button_number(BTN_EXTRA), 9);
	assert_int_equal(xinput_button_number(KEY_A), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notches),
		cmocka_unit_test(test_buttons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
