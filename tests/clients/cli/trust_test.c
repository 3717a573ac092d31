/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses and fingerprints; fetching and pinning are in the stories of pane_test.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "clients/cli/trust.h"

static void addresses(void **state)
{
	static const char *const bad[] = {"h:1",	 "http://h",	"https://",
					  "https://h/x", "https://u@h", "https://h h"};
	char out[256];

	(void)state;
	assert_int_equal(trust_address("https://h:8443", out, NULL), 0);
	assert_string_equal(out, "h:8443");
	assert_int_equal(trust_address("https://h", out, NULL), 0);
	assert_string_equal(out, "h:443");
	assert_int_equal(trust_address("https://[::1]", out, NULL), 0);
	assert_string_equal(out, "[::1]:443");
	assert_int_equal(trust_address("https://[::1]:9", out, NULL), 0);
	assert_string_equal(out, "[::1]:9");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(trust_address(bad[i], out, NULL), -EINVAL);
}

static void fingerprints(void **state)
{
	(void)state;
	assert_true(trust_same("AA:BB:0C", "aabb0c"));
	assert_true(trust_same("AA:BB", "AA:BB"));
	assert_false(trust_same("AA:BB", "AA:BC"));
	assert_false(trust_same("AA:BB", "AA"));
	assert_false(trust_same("AA", "AA:BB"));
	assert_false(trust_same("AA:BB", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses),
					   cmocka_unit_test(fingerprints)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
