/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Request validators: what is accepted, what is refused, and that the refusal says what to write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/valid.h"
#include "common/json.h"

#include <string.h>

static json_t *parse(const char *text)
{
	json_t *o = json_parse(text, strlen(text), NULL);

	assert_non_null(o);
	return o;
}

static void names_have_their_alphabet(void **state)
{
	char longest[66];

	(void)state;
	memset(longest, 'a', 65);
	longest[65] = 0;
	assert_int_equal(valid_user_name("alice", NULL), 0);
	assert_int_equal(valid_user_name("a.b_c@d-e", NULL), 0);
	assert_int_equal(valid_user_name(longest + 1, NULL), 0);
	assert_int_not_equal(valid_user_name(longest, NULL), 0);
	assert_int_not_equal(valid_user_name("", NULL), 0);
	assert_int_not_equal(valid_user_name("Alice", NULL), 0);
	assert_int_not_equal(valid_user_name("-a", NULL), 0);
	assert_int_not_equal(valid_user_name("a#b", NULL), 0);
	assert_int_not_equal(valid_user_name("a b", NULL), 0);
	assert_int_not_equal(valid_user_name("\xc3\xa9", NULL), 0);
	assert_int_equal(valid_pool_name("office-1", NULL), 0);
	assert_int_not_equal(valid_pool_name("office.1", NULL), 0);
	assert_int_equal(valid_host_name("h1.example.org", NULL), 0);
	assert_int_not_equal(valid_host_name("h1_x", NULL), 0);
}

static void addresses_are_ip_and_port(void **state)
{
	static const char *const good[] = {"127.0.0.1:7443", "[::1]:1", "[2001:db8::1]:65535"};
	static const char *const bad[] = {"",
					  ":1",
					  "localhost:1",
					  "1.2.3.4",
					  "1.2.3.4:",
					  "1.2.3.4:0",
					  "1.2.3.4:65536",
					  "[::1]",
					  "[::1:1",
					  "::1:1",
					  "1.2.3.4:1x",
					  "1.2.3.4:+1",
					  "[1.2.3.4]:1",
					  "[]:1",
					  "[:1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(valid_address(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(valid_address(bad[i], NULL), 0);
}

static void uuids_are_lower_case(void **state)
{
	(void)state;
	assert_int_equal(valid_uuid("0123abcd-0000-4000-8000-00000000ffff"), 0);
	assert_int_not_equal(valid_uuid("0123ABCD-0000-4000-8000-00000000ffff"), 0);
	assert_int_not_equal(valid_uuid("0123abcd-0000-4000-8000-00000000fff"), 0);
	assert_int_not_equal(valid_uuid("0123abcd-0000-4000-8000-00000000ffff0"), 0);
	assert_int_not_equal(valid_uuid(""), 0);
}

static void a_pool_needs_its_fields(void **state)
{
	cleanup_json json_t *good =
		parse("{\"name\":\"p\",\"image\":\"i\",\"cpus\":1,\"memory_mib\":64,"
		      "\"size_max\":2,\"spare\":2,\"assignment\":\"floating\"}");
	struct err e = {0};

	(void)state;
	assert_int_equal(valid_pool(good, true, &e), 0);
	json_object_set_new(good, "spare", json_integer(3));
	assert_int_not_equal(valid_pool(good, true, &e), 0);
	assert_non_null(strstr(e.msg, "\"spare\" (3) cannot be more than \"size_max\" (2)"));
	json_object_set_new(good, "spare", json_integer(1));
	json_object_set_new(good, "assignment", json_string("shared"));
	assert_int_not_equal(valid_pool(good, true, &e), 0);
	json_object_del(good, "assignment");
	assert_int_not_equal(valid_pool(good, true, &e), 0);
	json_object_set_new(good, "assignment", json_string("dedicated"));
	json_object_set_new(good, "memory_mib", json_integer(63));
	assert_int_not_equal(valid_pool(good, true, &e), 0);
	assert_non_null(strstr(e.msg, "memory_mib"));
}

static void expect_item(const char *text, const char *message)
{
	cleanup_json json_t *o = parse(text);
	struct err e = {0};
	int r = valid_apply_item(o, &e);

	if (!message)
		assert_int_equal(r, 0);
	else
		assert_int_equal(r, -22);
	if (message && !strstr(e.msg, message))
		fail_msg("%s: %s", text, e.msg);
}

static void items_are_pools_or_groups(void **state)
{
	(void)state;
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"size_max\":2}", NULL);
	expect_item("{\"kind\":\"group\",\"name\":\"g\",\"pools\":[\"p\"]}", NULL);
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"policy\":{\"protocols\":[\"rfb\"],"
		    "\"audio\":\"out\",\"recording\":true}}",
		    NULL);
	expect_item("{\"name\":\"p\"}", "\"kind\" must be");
	expect_item("{\"kind\":\"host\",\"name\":\"p\"}", "\"kind\" cannot be \"host\"");
	expect_item("[1]", "an object");
	expect_item("{\"kind\":\"group\",\"name\":\"g\",\"cpus\":1}", "\"cpus\" is not a field");
	expect_item("{\"kind\":\"group\",\"name\":\"g\",\"pools\":[1]}", "list of names");
	expect_item("{\"kind\":\"pool\",\"name\":\"P\"}", "A pool name");
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"hosts\":[3]}", "list of host names");
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"overcommit\":99}", "overcommit");
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"policy\":[]}", "policy");
	expect_item("{\"kind\":\"pool\",\"name\":\"p\",\"policy\":{\"protocols\":[\"ssh\"]}}",
		    "rdp, rfb");
}

static void an_update_cannot_rename(void **state)
{
	cleanup_json json_t *o = parse("{\"name\":\"q\"}");
	cleanup_json json_t *size = parse("{\"size_max\":5}");
	struct err e = {0};

	(void)state;
	assert_int_not_equal(valid_pool(o, false, &e), 0);
	assert_non_null(strstr(e.msg, "\"name\" is not a field"));
	assert_int_equal(valid_pool(size, false, &e), 0);
}

static void a_connection_is_ticket_or_password(void **state)
{
	cleanup_json json_t *t =
		parse("{\"protocol\":\"rdp\",\"conn\":\"c\",\"client\":\"x\",\"ticket\":\"t\"}");
	cleanup_json json_t *p =
		parse("{\"protocol\":\"rfb\",\"conn\":\"c\",\"client\":\"x\",\"user\":\"u\","
		      "\"password\":\"\"}");
	struct connect_body c;

	(void)state;
	assert_int_equal(valid_connect(t, &c, NULL), 0);
	assert_string_equal(c.ticket, "t");
	assert_int_equal(valid_connect(p, &c, NULL), 0);
	assert_null(c.ticket);
	assert_string_equal(c.desktop, "");
	json_object_del(p, "password");
	assert_int_not_equal(valid_connect(p, &c, NULL), 0);
	json_object_set_new(t, "protocol", json_string("spice"));
	assert_int_not_equal(valid_connect(t, &c, NULL), 0);
}

static void a_report_is_checked_to_the_leaves(void **state)
{
	static const char *const bad[] = {
		"{\"generation\":-1}",
		"{\"capacity\":[]}",
		"{\"capacity\":{\"memory_mib\":3000000000}}",
		"{\"images\":[{\"name\":\"\"}]}",
		"{\"desktops\":[{\"id\":\"0123abcd-0000-4000-8000-00000000ffff\",\"epoch\":1}]}",
		"{\"desktops\":[{\"id\":\"0123abcd-0000-4000-8000-00000000ffff\",\"epoch\":1,"
		"\"state\":\"lost\"}]}",
		"{\"desktops\":[{\"id\":\"0123abcd-0000-4000-8000-00000000ffff\",\"epoch\":1,"
		"\"state\":\"ready\",\"viewers\":[1]}]}",
	};
	cleanup_json json_t *good = parse("{\"generation\":3,\"wait_s\":20,\"address\":\"10.0.0.1:"
					  "7443\",\"desktops\":[{\"id\":"
					  "\"0123abcd-0000-4000-8000-00000000ffff\",\"epoch\":1,"
					  "\"state\":\"ready\",\"since_s\":1,"
					  "\"viewers\":[{\"conn\":\"c\"}]}]}");
	int64_t generation, wait_s;
	struct err e = {0};

	(void)state;
	assert_int_equal(valid_sync(good, &generation, &wait_s, NULL), 0);
	assert_int_equal(generation, 3);
	assert_int_equal(wait_s, 20);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup_json json_t *o = parse(bad[i]);

		assert_int_not_equal(valid_sync(o, &generation, &wait_s, &e), 0);
	}
	assert_non_null(strstr(e.msg, "desktops[0]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_their_alphabet),
		cmocka_unit_test(addresses_are_ip_and_port),
		cmocka_unit_test(uuids_are_lower_case),
		cmocka_unit_test(a_pool_needs_its_fields),
		cmocka_unit_test(an_update_cannot_rename),
		cmocka_unit_test(items_are_pools_or_groups),
		cmocka_unit_test(a_connection_is_ticket_or_password),
		cmocka_unit_test(a_report_is_checked_to_the_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
