/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/exitpin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

/* a PIN fits what was made of it, and only that one */
static void fits(void **state)
{
	char kept[EXITPIN_LEN], other[EXITPIN_LEN];

	(void)state;
	assert_int_equal(exitpin_make("4711", kept), 0);
	assert_int_equal(exitpin_make("4711", other), 0);
	assert_string_not_equal(kept, other);
	assert_null(strstr(kept, "$4711$"));
	assert_true(exitpin_fits(kept, "4711"));
	assert_true(exitpin_fits(other, "4711"));
	assert_false(exitpin_fits(kept, "4712"));
	assert_false(exitpin_fits(kept, "47110"));
	assert_true(exitpin_fits("123456", "123456"));
	assert_false(exitpin_fits("123456", "12345"));
}

/* text that is no PIN makes none, and what is no kept PIN fits none */
static void refused(void **state)
{
	char kept[EXITPIN_LEN];

	(void)state;
	assert_int_equal(exitpin_make("", kept), -EINVAL);
	assert_int_equal(exitpin_make("123", kept), -EINVAL);
	assert_int_equal(exitpin_make("12a4", kept), -EINVAL);
	assert_int_equal(exitpin_make("1234567890123", kept), -EINVAL);
	assert_false(exitpin_fits("", ""));
	assert_false(exitpin_fits("", "0000"));
	assert_false(exitpin_fits("pbkdf2-sha256$", "0000"));
	assert_false(exitpin_fits("pbkdf2-sha256$99999999$00$00", "0000"));
	assert_false(
		exitpin_fits("pbkdf2-sha256$-1$00112233445566778899aabbccddeeff$"
			     "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
			     "0000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
