/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a first boot may be told, and what could break out of its place.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "common/firstboot.h"

static void accounts_are_what_linux_takes(void **state)
{
	(void)state;
	assert_true(firstboot_account_ok("alice"));
	assert_true(firstboot_account_ok("_x-1"));
	assert_true(firstboot_account_ok("abcdefghijklmnopqrstuvwxyzabcdef"));
	assert_false(firstboot_account_ok("abcdefghijklmnopqrstuvwxyzabcdefg"));
	assert_false(firstboot_account_ok(""));
	assert_false(firstboot_account_ok("root"));
	assert_false(firstboot_account_ok("1a"));
	assert_false(firstboot_account_ok("-a"));
	assert_false(firstboot_account_ok("a b"));
	assert_false(firstboot_account_ok("A"));
}

static void zones_and_keyboards_are_names(void **state)
{
	(void)state;
	assert_true(firstboot_timezone_ok("America/Port-au-Prince"));
	assert_true(firstboot_timezone_ok("Etc/GMT+3"));
	assert_false(firstboot_timezone_ok(""));
	assert_false(firstboot_timezone_ok("/etc/passwd"));
	assert_false(firstboot_timezone_ok("Europe/../.."));
	assert_true(firstboot_keyboard_ok("de:nodeadkeys"));
	assert_false(firstboot_keyboard_ok(""));
	assert_false(firstboot_keyboard_ok("de us"));
	assert_false(firstboot_keyboard_ok("$(x)"));
}

static void packages_are_debian_names(void **state)
{
	(void)state;
	assert_true(firstboot_package_ok("g++", 3));
	assert_true(firstboot_package_ok("vim,nano", 3));
	assert_false(firstboot_package_ok("vim,nano", 8));
	assert_false(firstboot_package_ok("a", 1));
	assert_false(firstboot_package_ok("-oX=y", 5));
	assert_false(firstboot_package_ok("Vim", 3));
	assert_false(firstboot_package_ok("ab", 3)); /* its end is no letter of it */
}

static void scripts_name_their_interpreter(void **state)
{
	(void)state;
	assert_true(firstboot_script_ok("#!/bin/sh\n", 10));
	assert_false(firstboot_script_ok("#!/bin/sh\n", 9));
	assert_false(firstboot_script_ok("echo", 100));
	assert_false(firstboot_script_ok("", 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_are_what_linux_takes),
		cmocka_unit_test(zones_and_keyboards_are_names),
		cmocka_unit_test(packages_are_debian_names),
		cmocka_unit_test(scripts_name_their_interpreter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
