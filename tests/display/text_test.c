/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clipboard text: every character survives the way to a client and back, line ends are each side's
 * own, and what is not well formed does no harm.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "display/text.h"

static void every_character_survives(void **state)
{
	const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\xef\xbf\xbf\n\tz";
	size_t n, back_n;
	uint8_t *wide = disp_text_to_utf16(text, strlen(text), &n);
	char *back = disp_text_from_utf16(wide, n, &back_n);

	(void)state;
	assert_int_equal(back_n, strlen(text));
	assert_string_equal(back, text);
	free(wide);
	free(back);
}

static void utf16_has_cr_lf_and_an_end(void **state)
{
	static const uint8_t want[] = {'a', 0, '\r', 0, '\n', 0, 0x3d, 0xd8, 0x42, 0xde, 0, 0};
	size_t n;
	uint8_t *wide = disp_text_to_utf16("a\n\xf0\x9f\x99\x82", 6, &n);

	(void)state;
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(wide, want, n);
	free(wide);
}

static void bad(const char *text, const char *want)
{
	size_t n;
	char *out = disp_text_lf(text, strlen(text), &n);

	assert_string_equal(out, want);
	assert_int_equal(n, strlen(want));
	free(out);
}

static void what_is_not_utf8_is_replaced(void **state)
{
	(void)state;
	bad("\xff", "\xef\xbf\xbd");
	bad("a\x80"
	    "b",
	    "a\xef\xbf\xbd"
	    "b");
	bad("\xc0\xaf", "\xef\xbf\xbd");	     /* too long a form */
	bad("\xed\xa0\x80", "\xef\xbf\xbd");	     /* half a pair */
	bad("\xf4\x90\x80\x80", "\xef\xbf\xbd");     /* beyond the end */
	bad("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"); /* cut off */
	bad("one\r\ntwo\rthree", "one\ntwothree");
}

static void half_pairs_and_odd_bytes_are_replaced(void **state)
{
	static const uint8_t wide[] = {0x3d, 0xd8, 'a', 0, 0x42, 0xde, 'b', 0, 0x3d, 0xd8, 'x'};
	size_t n;
	char *out = disp_text_from_utf16(wide, sizeof(wide), &n);

	(void)state;
	assert_string_equal(out, "\xef\xbf\xbd"
				 "a\xef\xbf\xbd"
				 "b\xef\xbf\xbd");
	free(out);
	out = disp_text_from_utf16(wide, 0, &n);
	assert_int_equal(n, 0);
	free(out);
}

static void latin1_comes_and_goes(void **state)
{
	size_t n;
	char *out = disp_text_from_latin1("gr\xfc\xdf\r\n", 6, &n), *back;

	(void)state;
	assert_string_equal(out, "gr\xc3\xbc\xc3\x9f\n");
	back = disp_text_to_latin1("gr\xc3\xbc\xc3\x9f \xe2\x82\xac", 10, &n);
	assert_string_equal(back, "gr\xfc\xdf ?");
	free(out);
	free(back);
	out = disp_text_crlf("a\nb", 3, &n);
	assert_string_equal(out, "a\r\nb");
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_survives),
		cmocka_unit_test(utf16_has_cr_lf_and_an_end),
		cmocka_unit_test(what_is_not_utf8_is_replaced),
		cmocka_unit_test(half_pairs_and_odd_bytes_are_replaced),
		cmocka_unit_test(latin1_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
