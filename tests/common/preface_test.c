/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The preface frame: whole, cut anywhere, with bytes behind it, and hostile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/preface.h"

static void there_and_back(void **state)
{
	cleanup_json json_t *o = json_pack("{s:b, s:s}", "ok", 1, "code", "x"), *got = NULL;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(preface_append(&b, o), 0);
	assert_int_equal(buf_append(&b, "\3\0", 2), 0);
	for (size_t n = 0; n < b.len - 2; n++)
		assert_int_equal(preface_take(buf_head(&b), n, &got, NULL), 0);
	assert_int_equal(preface_take(buf_head(&b), b.len, &got, NULL), (int)b.len - 2);
	assert_true(json_equal(o, got));
	buf_fini(&b);
}

static void refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{"PANF", 4},
		{"G", 1},
		{"PANE\0\2\0\2{}", 10},
		{"PANE\0\1\x20\1", 8}, /* 8193 bytes announced */
		{"PANE\0\1\0\2[]", 10},
		{"PANE\0\1\0\2{x", 10},
		{"PANE\0\1\0\0", 8},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *o = NULL;
		struct err e = {0};

		assert_int_equal(preface_take(bad[i].p, bad[i].n, &o, &e), -EPROTO);
		assert_null(o);
		assert_int_equal(e.code, -EPROTO);
	}
}

static void too_long_to_write(void **state)
{
	static char text[PREFACE_MAX + 1];
	cleanup_json json_t *o = NULL;
	struct buf b;

	(void)state;
	memset(text, 'a', PREFACE_MAX);
	o = json_pack("{s:s}", "x", text);
	buf_init(&b, 0);
	assert_int_equal(preface_append(&b, o), -EMSGSIZE);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(refused),
		cmocka_unit_test(too_long_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
