/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop may take of its host: read from orders, kept in state.json, said to pane-vmm.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/json.h"
#include "vmm/host/share.h"

static int parse(const char *text, struct host_share *s)
{
	cleanup_json json_t *o = json_parse(text, strlen(text), NULL);

	return host_share_parse(o, s, NULL);
}

static void what_is_left_out_is_free(void **state)
{
	struct host_share s;

	(void)state;
	assert_int_equal(host_share_parse(NULL, &s, NULL), 0);
	assert_int_equal(s.overcommit, 100);
	assert_int_equal(parse("{\"clipboard\":\"in\",\"memory\":{},\"limits\":{\"net\":{}}}", &s),
			 0);
	assert_false(s.merge || s.huge);
	assert_int_equal(s.net.bytes_per_s + s.net.ops_per_s + s.disk.bytes_per_s, 0);
	assert_int_equal(s.overcommit, 100);
}

static void it_is_kept_as_it_was(void **state)
{
	struct host_share a, b;

	(void)state;
	assert_int_equal(parse("{\"memory\":{\"merge\":true},\"overcommit\":150,\"limits\":{"
			       "\"disk\":{\"bytes_per_s\":7,\"ops_per_s\":8},"
			       "\"net\":{\"bytes_per_s\":9}}}",
			       &a),
			 0);
	cleanup_json json_t *o = host_share_json(&a);

	assert_int_equal(host_share_parse(o, &b, NULL), 0);
	assert_true(host_share_same(&a, &b));
	b.net.ops_per_s = 1;
	assert_false(host_share_same(&a, &b));
	assert_false(host_rates_same(&a, &b));
	b = a;
	b.huge = true;
	assert_false(host_share_same(&a, &b));
	assert_true(host_rates_same(&a, &b));
}

static void bad_numbers_are_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{\"memory\":1}",
		"{\"memory\":{\"merge\":1}}",
		"{\"limits\":[]}",
		"{\"limits\":{\"disk\":7}}",
		"{\"limits\":{\"disk\":{\"bytes_per_s\":-1}}}",
		"{\"limits\":{\"net\":{\"ops_per_s\":1000000000001}}}",
		"{\"overcommit\":99}",
		"{\"overcommit\":1001}",
	};
	struct host_share s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &s) == 0)
			fail_msg("taken: %s", bad[i]);
}

static void what_programs_are_told(void **state)
{
	struct host_share s = {.disk = {.bytes_per_s = 1000, .ops_per_s = 5}};
	char words[80], order[HOST_SHARE_LINE];

	(void)state;
	host_rate_words(&s.disk, words, sizeof(words));
	assert_string_equal(words, "bytes=1000,ops=5");
	host_rate_words(&s.net, words, sizeof(words));
	assert_string_equal(words, "");
	host_share_order(&s, order);
	assert_string_equal(order, "{\"op\":\"limits\",\"disk\":{\"bytes_per_s\":1000,"
				   "\"ops_per_s\":5},\"net\":{\"bytes_per_s\":0,\"ops_per_s\":0}}"
				   "\n");
	assert_int_equal(host_rate_mib(0), 0);
	assert_int_equal(host_rate_mib(1), 1);
	assert_int_equal(host_rate_mib((3 << 20) + 1), 4);
	assert_int_equal(host_ceiling(0, 5), 5);
	assert_int_equal(host_ceiling(7, 5), 5);
	assert_int_equal(host_ceiling(7, 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_is_free),
		cmocka_unit_test(it_is_kept_as_it_was),
		cmocka_unit_test(bad_numbers_are_refused),
		cmocka_unit_test(what_programs_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
