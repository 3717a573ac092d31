/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RFB login's messages, whole, cut and hostile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/rfb_pdu.h"

static void versions(void **state)
{
	static const struct {
		const char *text;
		int used, minor;
	} t[] = {
		{"RFB 003.008\n", 12, 8},
		{"RFB 003.889\n", 12, 8},
		{"RFB 004.001\n", 12, 8},
		{"RFB 003.007\n", 12, 7},
		{"RFB 003.003\n", 12, 3},
		{"RFB 003.005\n", 12, 3},
		{"RFB 002.009\n", -EPROTO, 0},
		{"RFB 003.00", 0, 0},
		{"GET / HTTP/1", -EPROTO, 0},
		{"RFB 3.8\n", -EPROTO, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int minor = 0;

		assert_int_equal(
			rfb_take_version((const uint8_t *)t[i].text, strlen(t[i].text), &minor),
			t[i].used);
		assert_int_equal(minor, t[i].minor);
	}
}

static void plain(void **state)
{
	static const uint8_t m[] = "\0\0\0\5\0\0\0\2alicepw";
	char user[RFB_MAX_USER + 1];
	struct secret s;

	(void)state;
	assert_int_equal(rfb_take_plain(m, 15, user, &s), 15);
	assert_string_equal(user, "alice");
	assert_string_equal(s.bytes, "pw");
	for (size_t cut = 0; cut < 15; cut++)
		assert_int_equal(rfb_take_plain(m, cut, user, &s), 0);
}

static void plain_oversize(void **state)
{
	static const uint8_t user_big[8] = {0, 0, 1, 0},
			     both_wrap[8] = {0, 0, 0, 8, 255, 255, 255, 252};
	char user[RFB_MAX_USER + 1];
	struct secret s;

	(void)state;
	assert_int_equal(rfb_take_plain(user_big, 8, user, &s), -EMSGSIZE);
	assert_int_equal(rfb_take_plain(both_wrap, 8, user, &s), -EMSGSIZE);
	assert_int_equal(rfb_take_plain((const uint8_t *)"\0\0\0\1\0\0\0\1\0x", 10, user, &s),
			 -EINVAL);
}

static void display_types(void **state)
{
	bool none = true;

	(void)state;
	assert_int_equal(rfb_take_types((const uint8_t *)"\2\2\1", 3, &none), 3);
	assert_true(none);
	assert_int_equal(rfb_take_types((const uint8_t *)"\1\2", 2, &none), 2);
	assert_false(none);
	assert_int_equal(rfb_take_types((const uint8_t *)"\2\2", 2, &none), 0);
	assert_int_equal(rfb_take_types((const uint8_t *)"\0", 1, &none), -ECONNREFUSED);
}

static void reasons_only_where_understood(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(rfb_write_result_failed(&b, 8, "no"), 0);
	assert_int_equal(b.len, 10);
	assert_memory_equal(buf_head(&b), "\0\0\0\1\0\0\0\2no", 10);
	buf_fini(&b);
	assert_int_equal(rfb_write_result_failed(&b, 7, "no"), 0);
	assert_int_equal(b.len, 4);
	buf_fini(&b);
	assert_int_equal(rfb_write_no_types(&b, 3, "no"), 0);
	assert_memory_equal(buf_head(&b), "\0\0\0\0\0\0\0\2no", 10);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(plain),
		cmocka_unit_test(plain_oversize),
		cmocka_unit_test(display_types),
		cmocka_unit_test(reasons_only_where_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
