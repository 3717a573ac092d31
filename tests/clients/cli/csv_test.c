/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Unit tests of clients/cli/csv.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/csv.h"

static struct csv csv;
static char *text;

static void begin(const char *s)
{
	free(text);
	text = strdup(s); /* exactly its size, so that a sanitizer sees a step too far */
	assert_non_null(text);
	csv_init(&csv, text, strlen(text));
}

static void expect_row(int line, int n, const char *const *fields)
{
	struct csv_row row;
	struct err e = {0};

	assert_int_equal(csv_next(&csv, &row, &e), 1);
	assert_int_equal(row.line, line);
	assert_int_equal(row.n, n);
	for (int i = 0; i < n; i++)
		assert_string_equal(row.field[i], fields[i]);
}
#define ROW(line, ...)                                                                             \
	expect_row(line, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),              \
		   (const char *const[]){__VA_ARGS__})

static void expect_end(void)
{
	struct csv_row row;
	struct err e = {0};

	assert_int_equal(csv_next(&csv, &row, &e), 0);
}

static void expect_error(const char *s, const char *message)
{
	struct csv_row row;
	struct err e = {0};

	begin(s);
	assert_int_equal(csv_next(&csv, &row, &e), -22);
	assert_non_null(strstr(e.msg, message));
}

/* fields, quotes, doubled quotes, line ends inside quotes, CRLF, a byte order mark, no last line
 * end */
static void test_rows(void **state)
{
	(void)state;
	begin("\xef\xbb\xbfuser,groups\r\nalice,a;b\n\n\"bo\"\"b\",\"x,\ny\"\n,\nlast,\"\"");
	ROW(1, "user", "groups");
	ROW(2, "alice", "a;b");
	ROW(4, "bo\"b", "x,\ny");
	ROW(6, "", "");
	ROW(7, "last", "");
	expect_end();
	begin("");
	expect_end();
	begin("\n\r\n");
	expect_end();
	begin("one");
	ROW(1, "one");
	expect_end();
}

/* what is not closed, not separated or too wide is refused with its line */
static void test_bad(void **state)
{
	(void)state;
	expect_error("\"open", "line 1: a quote is not closed");
	expect_error("\"a\"b,c", "line 1: text after a closing quote");
	expect_error(",,,,,,,,,,,,,,,,,", "line 1 has more than 16 fields");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bad),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	free(text);
	return r;
}
