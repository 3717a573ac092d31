/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UTF-16LE to UTF-8.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "gateway/utf16.h"

static void planes(void **state)
{
	static const uint8_t in[] = {'a', 0, 0xE9, 0, 0xAC, 0x20, 0x3D, 0xD8, 0x00, 0xDE};
	char out[16];

	(void)state;
	assert_int_equal(utf16_to_utf8(out, sizeof(out), in, sizeof(in)), 10);
	assert_string_equal(out, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_int_equal(utf16_to_utf8(out, 11, in, sizeof(in)), 10);
	assert_int_equal(utf16_to_utf8(out, 10, in, sizeof(in)), -1); /* no room for the end */
	assert_string_equal(out, "");
}

static void invalid(void **state)
{
	static const uint8_t odd[] = {'a', 0, 'b'}, low[] = {0x00, 0xDC}, cut[] = {0x3D, 0xD8},
			     pair[] = {0x3D, 0xD8, 'a', 0}, zero[] = {0, 0};
	char out[16];

	(void)state;
	assert_int_equal(utf16_to_utf8(out, sizeof(out), odd, 3), -1);
	assert_int_equal(utf16_to_utf8(out, sizeof(out), low, 2), -1);
	assert_int_equal(utf16_to_utf8(out, sizeof(out), cut, 2), -1);
	assert_int_equal(utf16_to_utf8(out, sizeof(out), pair, 4), -1);
	assert_int_equal(utf16_to_utf8(out, sizeof(out), zero, 2), -1);
	assert_int_equal(utf16_to_utf8(out, sizeof(out), odd, 0), 0);
}

static void length(void **state)
{
	static const uint8_t in[] = {'a', 0, 0, 1, 0, 0, 'b', 0};

	(void)state;
	assert_int_equal(utf16_length(in, sizeof(in)), 4);
	assert_int_equal(utf16_length(in, 3), 2);
	assert_int_equal(utf16_length(in, 0), 0);
}

static void back(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xc1\xbf", "\xe0\x80\x80",	   "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xff", "\xe2\x82", "\xf8\x88\x80\x80\x80"};
	static const char text[] = "a\u00e9\u20ac\U0001f600\uffff";
	uint8_t out[16];
	char again[32];

	(void)state;
	assert_int_equal(utf8_to_utf16(out, 12, text), 12);
	assert_int_equal(utf16_to_utf8(again, sizeof(again), out, 12), (long)strlen(text));
	assert_string_equal(again, text);
	assert_int_equal(utf8_to_utf16(out, 11, text), -1);
	assert_int_equal(utf8_to_utf16(out, 0, ""), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(utf8_to_utf16(out, sizeof(out), bad[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planes),
		cmocka_unit_test(invalid),
		cmocka_unit_test(length),
		cmocka_unit_test(back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
