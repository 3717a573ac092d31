/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which keymap a Windows layout becomes. That the X server makes them is in xtype_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/xlayout.h"

static void expect(uint32_t layout, const char *symbols)
{
	char out[XLAYOUT_SYMBOLS] = "";

	assert_true(xlayout_symbols(layout, out));
	assert_string_equal(out, symbols);
}

static void languages_and_variants_are_found(void **state)
{
	(void)state;
	expect(0x0409, "pc+us+inet(evdev)");
	expect(0x0407, "pc+de+inet(evdev)");
	expect(0x0807, "pc+ch+inet(evdev)");
	expect(0x00010409, "pc+us(dvorak)+inet(evdev)");
	expect(0x00050407, "pc+de+inet(evdev)"); /* a variant nobody listed */
}

static void other_alphabets_come_with_a_latin_one(void **state)
{
	(void)state;
	expect(0x0419, "pc+us+ru:2+inet(evdev)+group(alt_shift_toggle)");
	expect(0x00010408, "pc+us+gr:2+inet(evdev)+group(alt_shift_toggle)");
}

static void unknown_ones_change_nothing(void **state)
{
	char out[XLAYOUT_SYMBOLS];

	(void)state;
	assert_false(xlayout_symbols(0, out));
	assert_false(xlayout_symbols(0x0411, out));
	assert_false(xlayout_symbols(UINT32_MAX, out));
}

static void who_types_on_it(void **state)
{
	(void)state;
	assert_string_equal(xlayout_language(0x0407), "de");
	assert_string_equal(xlayout_language(0x0807), "de"); /* Switzerland */
	assert_string_equal(xlayout_language(0x00010407), "de");
	assert_string_equal(xlayout_language(0x100c), "fr");
	assert_string_equal(xlayout_language(0x0416), "pt_BR");
	assert_string_equal(xlayout_language(0x0816), "pt");
	assert_null(xlayout_language(0x0409));
	assert_null(xlayout_language(0x0809));
	assert_null(xlayout_language(0));
	assert_null(xlayout_language(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(languages_and_variants_are_found),
		cmocka_unit_test(other_alphabets_come_with_a_latin_one),
		cmocka_unit_test(unknown_ones_change_nothing),
		cmocka_unit_test(who_types_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
