/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealed texts: they open by their key and for what they are of, and by nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/seal.h"
#include "common/file.h"

#include <errno.h>
#include <string.h>

#define SECRET "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define HEX_A  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B  "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct seal *keys(const char *text)
{
	char path[] = "/tmp/pane-seal-XXXXXX";
	int fd = mkstemp(path);
	struct err e = {0};
	struct seal *s;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	s = seal_load(path, &e);
	unlink(path);
	return s;
}

static void what_is_sealed_opens_and_hides(void **state)
{
	struct seal *s = keys("a " HEX_A "\n");
	char one[SEAL_TEXT_MAX], two[SEAL_TEXT_MAX], out[SEAL_PLAIN_MAX + 1];

	(void)state;
	assert_non_null(s);
	assert_int_equal(seal_close(s, "user", SECRET, one), 0);
	assert_int_equal(seal_close(s, "user", SECRET, two), 0);
	assert_string_not_equal(one, two);
	assert_null(strstr(one, SECRET));
	assert_int_equal(strncmp(one, "ps1.a.", 6), 0);
	assert_int_equal(strlen(one), 6 + 80); /* as the table's constraint has it */
	assert_int_equal(seal_open(s, "user", one, out), 0);
	assert_string_equal(out, SECRET);
	assert_true(seal_current(s, one));
	assert_false(seal_current(s, SECRET));
	seal_free(s);
}

static void another_row_key_or_bit_does_not_open(void **state)
{
	struct seal *s = keys("a " HEX_A "\n"), *other = keys("a " HEX_B "\n"),
		    *named = keys("b " HEX_A "\n");
	char text[SEAL_TEXT_MAX], out[SEAL_PLAIN_MAX + 1];

	(void)state;
	assert_int_equal(seal_close(s, "user", SECRET, text), 0);
	assert_int_equal(seal_open(s, "another", text, out), -EBADMSG);
	assert_string_equal(out, "");
	assert_int_equal(seal_open(other, "user", text, out), -EBADMSG);
	assert_int_equal(seal_open(named, "user", text, out), -ENOKEY);
	assert_int_equal(seal_open(NULL, "user", text, out), -ENOKEY);
	for (size_t i = 6; i < 6 + 80; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(seal_open(s, "user", text, out), -EBADMSG);
		text[i] = was;
	}
	text[20] = 0;
	assert_int_equal(seal_open(s, "user", text, out), -EBADMSG);
	seal_free(s);
	seal_free(other);
	seal_free(named);
}

static void the_first_key_seals_and_all_open(void **state)
{
	struct seal *old = keys("a " HEX_A "\n"),
		    *both = keys("# rotated\nb " HEX_B "\na " HEX_A "\n");
	char text[SEAL_TEXT_MAX], out[SEAL_PLAIN_MAX + 1];

	(void)state;
	assert_int_equal(seal_close(old, "user", SECRET, text), 0);
	assert_false(seal_current(both, text));
	assert_int_equal(seal_open(both, "user", text, out), 0);
	assert_int_equal(seal_close(both, "user", out, text), 0);
	assert_int_equal(strncmp(text, "ps1.b.", 6), 0);
	assert_int_equal(seal_open(old, "user", text, out), -ENOKEY);
	seal_free(old);
	seal_free(both);
}

static void without_keys_a_text_stays_as_it_is(void **state)
{
	char text[SEAL_TEXT_MAX], out[SEAL_PLAIN_MAX + 1];

	(void)state;
	assert_int_equal(seal_close(NULL, "user", SECRET, text), 0);
	assert_string_equal(text, SECRET);
	assert_int_equal(seal_open(NULL, "user", text, out), 0);
	assert_string_equal(out, SECRET);
}

static void files_that_are_none_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"#\n",
		"a\n",
		"a " HEX_A "0\n",
		"a 00\n",
		"A " HEX_A "\n",
		"a " HEX_A "\na " HEX_B "\n",
		" " HEX_A "\n",
		"abcdefghijklmnopq " HEX_A "\n",
		"a +1112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_null(keys(wrong[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_opens_and_hides),
		cmocka_unit_test(another_row_key_or_bit_does_not_open),
		cmocka_unit_test(the_first_key_seals_and_all_open),
		cmocka_unit_test(without_keys_a_text_stays_as_it_is),
		cmocka_unit_test(files_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
