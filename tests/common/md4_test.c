/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MD4: the test suite of RFC 1320, A.5, whose lengths cross every edge of the padding but one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "common/md4.h"

static void check(const char *text, const char *want)
{
	uint8_t out[MD4_LEN];
	char hex[2 * MD4_LEN + 1];

	md4(out, (const uint8_t *)text, strlen(text));
	for (size_t i = 0; i < MD4_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	assert_string_equal(hex, want);
}

static void rfc_1320(void **state)
{
	(void)state;
	check("", "31d6cfe0d16ae931b73c59d7e0c089c0");
	check("a", "bde52cb31de33e46245e05fbdbd6fb24");
	check("abc", "a448017aaf21d8525fc10ae87aa6729d");
	check("message digest", "d9130a8164549fe818874806e1c7014b");
	check("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9");
	check("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	      "043f8582f241db351ce627e153e7f0e4");
	check("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	      "e33b4ddc9c38f2199c3e7b164fcc0536");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_1320),
	};

	return cmocka_run_group_tests_name("md4", tests, NULL, NULL);
}
