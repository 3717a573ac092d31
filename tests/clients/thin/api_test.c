/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers of /api/v1 as the contract has them, and answers nobody should send.
 */
#include "clients/thin/api.h"
#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void desktops_are_read_with_nulls(void **state)
{
	cleanup_json json_t *o =
		parse("{\"items\":[{\"pool\":\"office\",\"desktop\":null,\"machine\":null,"
		      "\"session\":\"none\",\"message\":\"hello\"},"
		      "{\"pool\":\"lab\",\"desktop\":\"lab-3\",\"machine\":\"booting\"}]}");
	struct thin_desktops d;

	(void)state;
	assert_int_equal(thin_parse_desktops(o, &d, NULL), 0);
	assert_int_equal(d.n, 2);
	assert_string_equal(d.item[0].pool, "office");
	assert_string_equal(d.item[0].desktop, "");
	assert_string_equal(d.item[0].message, "hello");
	assert_string_equal(d.item[1].desktop, "lab-3");
	assert_string_equal(d.item[1].machine, "booting");
}

static void wrong_shapes_are_refused(void **state)
{
	static const char *const bad[] = {"{}",
					  "[]",
					  "{\"items\":{}}",
					  "{\"items\":[1]}",
					  "{\"items\":[{\"pool\":\"\"}]}",
					  "{\"items\":[{\"pool\":7}]}",
					  "{\"items\":[{\"pool\":\"a\",\"desktop\":[]}]}"};
	struct thin_desktops d;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_json json_t *o = parse(bad[i]);

		assert_true(thin_parse_desktops(o, &d, &e) < 0);
	}
}

static void more_desktops_than_fit_are_cut(void **state)
{
	cleanup_json json_t *o = parse("{\"items\":[]}");
	struct thin_desktops d;

	(void)state;
	for (int i = 0; i < 3 * THIN_DESKTOPS_MAX; i++)
		json_array_append_new(json_object_get(o, "items"), json_pack("{s:s}", "pool", "p"));
	assert_int_equal(thin_parse_desktops(o, &d, NULL), 0);
	assert_int_equal(d.n, THIN_DESKTOPS_MAX);
}

static void a_ticket_is_ready_or_on_its_way(void **state)
{
	cleanup_json json_t *ready = parse("{\"ticket\":\"pt1_AbC-_9\",\"expires_in_s\":30,"
					   "\"desktop\":\"office-1\"}");
	cleanup_json json_t *wait = parse("{\"state\":\"booting\",\"desktop\":\"office-1\","
					  "\"message\":\"soon\",\"percent\":40}");
	struct thin_ticket t;

	(void)state;
	assert_int_equal(thin_parse_ticket(200, ready, &t, NULL), 0);
	assert_true(t.ready);
	assert_string_equal(t.ticket.bytes, "pt1_AbC-_9");
	assert_int_equal(thin_parse_ticket(202, wait, &t, NULL), 0);
	assert_false(t.ready);
	assert_int_equal(t.percent, 40);
	assert_int_equal(t.retry_after_s, 1);
	assert_string_equal(t.message, "soon");
}

static void a_ticket_cannot_break_out_of_the_cookie_line(void **state)
{
	static const char *const bad[] = {"{\"ticket\":\"pt1_abc\\r\\nX: y\"}",
					  "{\"ticket\":\"pt1_a b c d\"}", "{\"ticket\":\"\"}",
					  "{\"ticket\":null}", "{}"};
	struct thin_ticket t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_json json_t *o = parse(bad[i]);

		assert_true(thin_parse_ticket(200, o, &t, NULL) < 0);
	}
}

static void percent_out_of_range_is_refused(void **state)
{
	cleanup_json json_t *o = parse("{\"state\":\"booting\",\"percent\":400}");
	struct thin_ticket t;

	(void)state;
	assert_true(thin_parse_ticket(202, o, &t, NULL) < 0);
}

static void reasons_follow_the_message(void **state)
{
	cleanup_json json_t *o = parse("{\"error\":{\"reasons\":[\"one\","
				       "{\"host\":\"h1\",\"reason\":\"full\"},7]}}");
	struct err e = {.msg = "no room"};

	(void)state;
	thin_add_reasons(o, &e);
	assert_string_equal(e.msg, "no room\n• one\n• h1: full");
}

static void an_enrolment_s_secret_is_not_shown(void **state)
{
	cleanup_json json_t *o = parse("{\"error\":{\"reasons\":[\"otpauth://totp/a?secret=S\"]}}");
	struct err e = {.msg = "set one up", .word = "totp.enroll"};

	(void)state;
	thin_add_reasons(o, &e);
	assert_string_equal(e.msg, "set one up");
}

static void reasons_never_run_over(void **state)
{
	cleanup_json json_t *o = parse("{\"error\":{\"reasons\":[]}}");
	struct err e = {.msg = "m"};

	(void)state;
	for (int i = 0; i < 100; i++)
		json_array_append_new(json_object_get(json_object_get(o, "error"), "reasons"),
				      json_string("0123456789012345678901234567890123456789"));
	thin_add_reasons(o, &e);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(desktops_are_read_with_nulls),
		cmocka_unit_test(wrong_shapes_are_refused),
		cmocka_unit_test(more_desktops_than_fit_are_cut),
		cmocka_unit_test(a_ticket_is_ready_or_on_its_way),
		cmocka_unit_test(a_ticket_cannot_break_out_of_the_cookie_line),
		cmocka_unit_test(percent_out_of_range_is_refused),
		cmocka_unit_test(reasons_follow_the_message),
		cmocka_unit_test(an_enrolment_s_secret_is_not_shown),
		cmocka_unit_test(reasons_never_run_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
