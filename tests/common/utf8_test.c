/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A text that was cut to a number of bytes ends with a whole character.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"

static void what_a_cut_left_of_a_character_goes(void **state)
{
	static const char *const texts[][2] = {
		{"", ""},
		{"abc", "abc"},
		{"aå", "aå"},
		{"a\xc3", "a"},
		{"a€", "a€"},
		{"a\xe2\x82", "a"},
		{"a\xe2", "a"},
		{"a\xf0\x9f\x98\x80", "a\xf0\x9f\x98\x80"},
		{"a\xf0\x9f\x98", "a"},
		{"\xf0", ""},
		{"\x80\x80\x80\x80", "\x80\x80\x80\x80"}, /* no character before the cut, either */
	};
	char s[16];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(s, sizeof(s), "%s", texts[i][0]);
		utf8_trim(s);
		assert_string_equal(s, texts[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_cut_left_of_a_character_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
