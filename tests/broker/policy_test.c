/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bodies that set policy: words, numbers and lists that mean something, and what is said of others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

typedef int (*valid_fn)(json_t *o, struct err *e);

static void expect(valid_fn fn, const char *text, const char *message)
{
	cleanup_json json_t *o = json_loads(text, 0, NULL);
	struct err e = {0};
	int r = fn(o, &e);

	assert_non_null(o);
	if (!message) {
		assert_int_equal(r, 0);
		return;
	}
	assert_int_not_equal(r, 0);
	if (!strstr(e.msg, message))
		fail_msg("%s: %s", text, e.msg);
}

static void each_word_has_its_own(void **state)
{
	(void)state;
	expect(valid_policy, "{}", NULL);
	expect(valid_policy,
	       "{\"idle_action\":\"logoff\",\"disconnected_action\":\"keep\","
	       "\"session_max_action\":\"disconnect\",\"after_logoff\":\"off\",\"warn_s\":0}",
	       NULL);
	expect(valid_policy, "{\"idle_action\":\"keep\"}", "idle_action");
	expect(valid_policy, "{\"disconnected_action\":\"disconnect\"}", "disconnected_action");
	expect(valid_policy, "{\"session_max_action\":1}", "session_max_action");
	expect(valid_policy, "{\"after_logoff\":\"sleep\"}", "after_logoff");
	expect(valid_policy, "{\"hours_action\":\"off\"}", "hours_action");
}

static void numbers_are_in_range(void **state)
{
	(void)state;
	expect(valid_policy, "{\"warn_s\":3601}", "warn_s");
	expect(valid_policy, "{\"buffer_percent\":101}", "buffer_percent");
	expect(valid_policy, "{\"breaker_failures\":-1}", "breaker_failures");
	expect(valid_policy, "{\"buffer_percent\":100,\"breaker_failures\":0}", NULL);
}

static void lists_are_of_short_texts(void **state)
{
	cleanup_json json_t *o = json_object(), *list = json_array();
	struct err e = {0};

	(void)state;
	expect(valid_access, "{\"hours\":[],\"networks\":[\"10.0.0.0/8\"],\"refusal\":\"\"}", NULL);
	expect(valid_access, "{\"hours\":\"mon 08:00-18:00\"}", "\"hours\" must be a list");
	expect(valid_access, "{\"networks\":[1]}", "\"networks\" must be a list of texts");
	expect(valid_policy,
	       "{\"schedule\":[\"0123456789012345678901234567890123456789012345678901234567890\"]}",
	       "at most 60 bytes");
	for (int i = 0; i < 169; i++)
		json_array_append_new(list, json_string("mon 08:00-09:00 1"));
	json_object_set(o, "schedule", list);
	assert_int_not_equal(valid_policy(o, &e), 0);
	json_array_remove(list, 0);
	assert_int_equal(valid_policy(o, &e), 0);
}

static void limits_are_numbers_or_none(void **state)
{
	(void)state;
	expect(valid_quota, "{\"desktops\":0,\"cpus\":null}", NULL);
	expect(valid_quota, "{\"desktops\":-1}", "desktops");
	expect(valid_quota, "{\"memory_mib\":\"1\"}", "memory_mib");
	expect(valid_quota, "{\"disk_mib\":4294967296}", "disk_mib");
	expect(valid_apply_item, "{\"kind\":\"quota\",\"name\":\"everyone\",\"running\":1}", NULL);
	expect(valid_apply_item, "{\"kind\":\"quota\",\"name\":\"everyone\",\"size_max\":1}",
	       "size_max");
}

static void a_group_may_restrict_its_pools(void **state)
{
	(void)state;
	expect(valid_apply_item,
	       "{\"kind\":\"group\",\"name\":\"g\",\"access\":{\"office\":{\"hours\":[]}}}", NULL);
	expect(valid_apply_item, "{\"kind\":\"group\",\"name\":\"g\",\"access\":[]}", "access");
	expect(valid_apply_item,
	       "{\"kind\":\"group\",\"name\":\"g\",\"access\":{\"office\":{\"days\":[]}}}",
	       "access.office: \"days\" is not a field");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_has_its_own),
		cmocka_unit_test(numbers_are_in_range),
		cmocka_unit_test(lists_are_of_short_texts),
		cmocka_unit_test(limits_are_numbers_or_none),
		cmocka_unit_test(a_group_may_restrict_its_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
