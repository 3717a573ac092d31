/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables: alignment, ages, and that nothing from the server drives the terminal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clients/cli/table.h"

static const struct cli_column columns[] = {{"NAME", "name", CLI_TEXT},
					    {"AGE", "since_s", CLI_AGE},
					    {"REASON", "reason", CLI_TEXT},
					    {0}};

static char *render(const char *json)
{
	json_t *items = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(items);
	assert_int_equal(
		json_is_array(items) ? cli_table(f, items, columns) : cli_details(f, items), 0);
	fclose(f);
	json_decref(items);
	return text;
}

static void expect(const char *json, const char *text)
{
	char *got = render(json);

	assert_string_equal(got, text);
	free(got);
}

static void columns_align(void **state)
{
	(void)state;
	expect("[{\"name\":\"office-1\",\"since_s\":5,\"reason\":\"x\"},{\"name\":\"a\",\"since_"
	       "s\":7300,\"reason\":\"\"}]",
	       "NAME      AGE    REASON\noffice-1  5s     x\na         2h01m  -\n");
}

static void code_points_not_bytes(void **state)
{
	(void)state;
	expect("[{\"name\":\"müller\",\"since_s\":1},{\"name\":\"abcdef\",\"since_s\":2}]",
	       "NAME    AGE  REASON\nmüller  1s   -\nabcdef  2s   -\n");
}

static void control_characters_are_blanked(void **state)
{
	(void)state;
	expect("[{\"name\":\"a\\u001b[2Jb\",\"since_s\":null,\"reason\":\"two\\nlines\"}]",
	       "NAME    AGE  REASON\na [2Jb  -    two lines\n");
}

static void values(void **state)
{
	static const struct {
		json_int_t s;
		const char *text;
	} ages[] = {{0, "0s"},	     {59, "59s"},	{60, "1m"},    {3599, "59m"},
		    {3600, "1h00m"}, {86399, "23h59m"}, {86400, "1d"}, {-5, "0s"}};
	json_t *v;
	char *s;

	(void)state;
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		v = json_integer(ages[i].s);
		s = cli_value(v, CLI_AGE);
		assert_string_equal(s, ages[i].text);
		free(s);
		json_decref(v);
	}
	v = json_string("2026-11-21T08:30:11.123+00:00");
	s = cli_value(v, CLI_TIME);
	assert_string_equal(s, "2026-11-21 08:30:11");
	free(s);
	json_decref(v);
	v = json_pack("[s,{s:s}]", "a", "host", "h1");
	s = cli_value(v, CLI_TEXT);
	assert_string_equal(s, "a, h1");
	free(s);
	json_decref(v);
}

static void details_and_their_tables(void **state)
{
	(void)state;
	expect("{\"name\":\"o\",\"since_s\":61,\"pools\":[\"a\",\"b\"],\"events\":[{\"at\":\"2026-"
	       "01-01T00:00:00Z\",\"to_state\":\"ready\"}]}",
	       "name:     o\nsince_s:  1m\npools:    a, b\n\nevents:\nat                   "
	       "to_state\n2026-01-01 00:00:00  ready\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_align),
		cmocka_unit_test(code_points_not_bytes),
		cmocka_unit_test(control_characters_are_blanked),
		cmocka_unit_test(values),
		cmocka_unit_test(details_and_their_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
