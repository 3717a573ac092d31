/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Unit tests of clients/cli/yaml.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/yaml.h"

static json_t *read_ok(const char *text)
{
	json_t *out = NULL;
	struct err e = {0};

	if (cli_yaml_read(text, strlen(text), &out, &e))
		fail_msg("%s", e.msg);
	return out;
}

static void expect_error(const char *text, const char *message)
{
	json_t *out = NULL;
	struct err e = {0};

	assert_int_equal(cli_yaml_read(text, strlen(text), &out, &e), -22);
	assert_null(out);
	if (!strstr(e.msg, message))
		fail_msg("%s", e.msg);
}

/* documents, nesting, and which scalars are numbers, words or text */
static void test_read(void **state)
{
	json_t *got =
		read_ok("name: office\nsize_max: 20\nquoted: \"20\"\non: true\nhosts: [h1, h2]\n"
			"policy:\n  audio: none\n---\nname: lab\nempty:\n");
	json_t *want =
		json_loads("[{\"name\":\"office\",\"size_max\":20,\"quoted\":\"20\",\"on\":true,"
			   "\"hosts\":[\"h1\",\"h2\"],\"policy\":{\"audio\":\"none\"}},"
			   "{\"name\":\"lab\",\"empty\":null}]",
			   0, NULL);

	(void)state;
	assert_true(json_equal(got, want));
	json_decref(got);
	json_decref(want);
}

/* what was written is read back as the same */
static void test_round(void **state)
{
	json_t *v = json_loads(
		"[{\"a\":\"12\",\"b\":12,\"c\":\"true\",\"d\":[],\"e\":{},\"f\":\"x: #y\","
		"\"g\":\"\",\"h\":null,\"i\":-3,\"j\":\"\\u00e4\\nz\",\"k\":[1,\"-\"]},{}]",
		0, NULL);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	json_t *again;

	(void)state;
	assert_int_equal(cli_yaml_write(f, v), 0);
	fclose(f);
	again = read_ok(text);
	assert_true(json_equal(v, again));
	free(text);
	json_decref(v);
	json_decref(again);
}

/* broken files name their line; aliases cannot blow a small file up */
static void test_bad(void **state)
{
	char laughs[2000] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";

	(void)state;
	expect_error("a: [1, 2\nb: 3\n", "line 2");
	expect_error("[x]: 1\n", "a key must be a word");
	for (int i = 1; i < 8; i++)
		snprintf(laughs + strlen(laughs), sizeof(laughs) - strlen(laughs),
			 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
			 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_error(laughs, "too large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
