/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is read off a directory's names. Its answers are proved by tests/broker/directory_test.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/dirldap.h"

static void ranges_say_where_the_next_begins(void **state)
{
	unsigned long next = 7;

	(void)state;
	assert_true(dirldap_range("member;range=0-1499", "member", &next));
	assert_int_equal(next, 1500);
	assert_true(dirldap_range("Member;Range=1500-*", "member", &next));
	assert_int_equal(next, 0);
}

static void other_names_are_no_ranges(void **state)
{
	static const char *const names[] = {"member",
					    "member;range=",
					    "member;range=-",
					    "member;range=0",
					    "member;range=0-",
					    "member;range=0-x",
					    "members;range=0-9",
					    "member;binary",
					    "member;range=0-9x",
					    "member;range=-1-9",
					    "memberOf;range=0-9",
					    ""};
	unsigned long next;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_false(dirldap_range(names[i], "member", &next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_say_where_the_next_begins),
		cmocka_unit_test(other_names_are_no_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
