/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "broker/totp.h"

/* RFC 6238 appendix B: SHA-1, the secret "12345678901234567890"; its eight digits end in these six.
 */
#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

static void test_vectors(void **state)
{
	static const struct {
		time_t at;
		const char *code;
	} v[] = {{59, "287082"},	 {1111111109, "081804"}, {1111111111, "050471"},
		 {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		assert_int_equal(totp_step(SECRET, v[i].at, v[i].code), v[i].at / 30);
}

static void test_window(void **state)
{
	(void)state;
	/* the code of step 1 (30..59 s) is good one step early and late, no more */
	assert_int_equal(totp_step(SECRET, 29, "287082"), 1);
	assert_int_equal(totp_step(SECRET, 89, "287082"), 1);
	assert_int_equal(totp_step(SECRET, 90, "287082"), -1);
	assert_int_equal(totp_step(SECRET, 1111111109, "287082"), -1);
}

static void test_form(void **state)
{
	(void)state;
	assert_int_equal(totp_step(SECRET, 59, ""), -1);
	assert_int_equal(totp_step(SECRET, 59, "87082"), -1);
	assert_int_equal(totp_step(SECRET, 59, "94287082"), -1); /* eight digits are not ours */
	assert_int_equal(totp_step(SECRET, 59, " 28708"), -1);
	assert_int_equal(totp_step("not base32!", 59, "287082"), -1);
}

static void test_split(void **state)
{
	char pw[20], code[TOTP_DIGITS + 1];

	(void)state;
	assert_true(totp_split("secret123456", pw, sizeof(pw), code));
	assert_string_equal(pw, "secret");
	assert_string_equal(code, "123456");
	assert_true(totp_split("pass99123456", pw, sizeof(pw), code));
	assert_string_equal(pw, "pass99");
	assert_false(totp_split("123456", pw, sizeof(pw), code)); /* no password before it */
	assert_false(totp_split("secret12345", pw, sizeof(pw), code));
	assert_false(totp_split("", pw, sizeof(pw), code));
	assert_false(totp_split("a-password-that-is-long123456", pw, sizeof(pw), code));
}

static void test_secret(void **state)
{
	char a[TOTP_SECRET_LEN + 1], b[TOTP_SECRET_LEN + 1], uri[TOTP_URI_MAX];

	(void)state;
	totp_secret_make(a);
	totp_secret_make(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), TOTP_SECRET_LEN);
	totp_uri(SECRET, "Pane", "a@b c", uri);
	assert_string_equal(uri, "otpauth://totp/Pane:a%40b%20c?secret=" SECRET
				 "&issuer=Pane&digits=6&period=30");
}

static void test_recovery(void **state)
{
	char code[RECOVERY_LEN + 1], plain[RECOVERY_LEN + 1];

	(void)state;
	recovery_make(code);
	assert_int_equal(strlen(code), RECOVERY_LEN);
	assert_true(recovery_normal(code, plain));
	assert_int_equal(strlen(plain), 16);
	assert_true(recovery_normal("ABCD efgh-ijkl2345", plain));
	assert_string_equal(plain, "abcdefghijkl2345");
	assert_false(recovery_normal("abcd", plain));
	assert_false(recovery_normal("abcdefghijkl2345x", plain));
	assert_false(recovery_normal("abcdefghijkl2340", plain)); /* no 0 in base32 */
	assert_false(recovery_normal("", plain));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_window),
		cmocka_unit_test(test_form),	cmocka_unit_test(test_split),
		cmocka_unit_test(test_secret),	cmocka_unit_test(test_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
