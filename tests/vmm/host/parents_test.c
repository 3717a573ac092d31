/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/host/parents.c: names of parents, which are file names and must be told from anything else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/host/parents.h"

static void a_name_says_what_the_machine_is(void **state)
{
	struct host_image img = {.name = "office", .version = "12ab"};
	char name[HOST_PARENT_MAX], other[HOST_PARENT_MAX];

	(void)state;
	assert_int_equal(host_parent_name(&img, 2, 1024, name), 0);
	assert_string_equal(name, "office@12ab-2x1024");
	assert_true(host_parent_name_ok(name));
	assert_int_equal(host_parent_name(&img, 4, 1024, other), 0);
	assert_string_not_equal(name, other);
	img.version[0] = 0;
	assert_int_equal(host_parent_name(&img, 2, 1024, name), -EINVAL);
}

static void other_names_are_refused(void **state)
{
	static const char *const bad[] = {"",	   "@",	    "@1-1x1", ".making", "office", "../x@1",
					  "a/b@1", "a,b@1", "A@1",    ".a@1",	 "a @1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(host_parent_name_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_says_what_the_machine_is),
		cmocka_unit_test(other_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
