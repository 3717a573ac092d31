/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Address ranges: what is one, and who is within.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "gateway/networks.h"

static bool has(const char *range, const char *peer)
{
	char word[64], *list[] = {word, NULL};
	struct gw_networks n;
	struct err e = {0};

	snprintf(word, sizeof(word), "%s", range);
	assert_int_equal(gw_networks_parse(&n, list, &e), 0);
	return gw_networks_have(&n, peer);
}

static void within(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.1.2:99"));
	assert_false(has("10.0.0.0/8", "11.0.0.1:99"));
	assert_true(has("192.0.2.128/25", "192.0.2.200:1"));
	assert_false(has("192.0.2.128/25", "192.0.2.127:1"));
	assert_true(has("192.0.2.7", "192.0.2.7:1"));
	assert_false(has("192.0.2.7", "192.0.2.6:1"));
	assert_true(has("0.0.0.0/0", "8.8.8.8:1"));
	assert_false(has("0.0.0.0/0", "[2001:db8::1]:1"));
	assert_true(has("2001:db8::/33", "[2001:db8:7fff::1]:1"));
	assert_false(has("2001:db8::/33", "[2001:db8:8000::1]:1"));
}

static void mapped_is_the_same(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "[::ffff:10.1.2.3]:99"));
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3:99"));
}

static void no_address(void **state)
{
	(void)state;
	assert_false(has("0.0.0.0/0", "unix"));
	assert_false(has("::/0", ""));
	assert_false(has("::/0", "[]:1"));
	assert_false(has("::/0", "[::1"));
}

static void refused(void **state)
{
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/ 8",
					  "10.0.0.0/8x", "10.0.0/8",  "example.org", "::1/129",
					  "/8",		 "fe80::1%lo"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char word[64], *list[] = {word, NULL};
		struct gw_networks n;
		struct err e = {0};

		snprintf(word, sizeof(word), "%s", bad[i]);
		assert_int_equal(gw_networks_parse(&n, list, &e), -EINVAL);
		assert_non_null(strstr(e.msg, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within),
		cmocka_unit_test(mapped_is_the_same),
		cmocka_unit_test(no_address),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
