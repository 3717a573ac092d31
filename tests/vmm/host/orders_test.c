/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sync replies: what is understood, and that one bad order spoils the whole reply.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/json.h"
#include "vmm/host/orders.h"

#define ID "11111111-1111-4111-8111-111111111111"
#define ORDER                                                                                      \
	"{\"id\":\"" ID                                                                            \
	"\",\"name\":\"office-1\",\"epoch\":3,\"want\":\"running\",\"image\":\"office\","          \
	"\"cpus\":2,\"memory_mib\":1024,\"disk_mib\":0"

static int parse(const char *orders, struct host_orders *o, struct err *e)
{
	char text[2048];
	json_t *j;
	int r;

	snprintf(text, sizeof(text),
		 "{\"generation\":18,\"now\":1790000000,\"grant_key\":\"PEM\",\"desktops\":[%s]}",
		 orders);
	j = json_parse(text, strlen(text), e);
	r = j ? host_orders_parse(j, o, e) : -EPROTO;
	json_decref(j);
	return r;
}

static void a_whole_reply(void **state)
{
	struct host_orders o;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse(ORDER ",\"drop\":[\"abc\",\"def\"]}", &o, &e), 0);
	assert_int_equal(o.generation, 18);
	assert_int_equal(o.now_s, 1790000000);
	assert_string_equal(o.grant_key, "PEM");
	assert_int_equal(o.n, 1);
	assert_string_equal(o.v[0].name, "office-1");
	assert_int_equal(o.v[0].want, HOST_WANT_RUNNING);
	assert_int_equal(o.v[0].memory_mib, 1024);
	assert_int_equal(o.n_drop, 2);
	assert_string_equal(o.drop[1].conn, "def");
	assert_string_equal(o.drop[1].desktop, ID);
	host_orders_free(&o);
}

static void containers(void **state)
{
	static const char *const bad[] = {
		ORDER ",\"isolation\":\"jail\"}",
		ORDER ",\"isolation\":1}",
		ORDER ",\"home\":\"x\"}",
		ORDER ",\"home\":{}}",
		ORDER ",\"reset\":\"yes\"}",
		ORDER ",\"home\":{\"key\":\"../../../../../../../../../etc/passwd1\"}}",
	};
	struct host_orders o;

	(void)state;
	assert_int_equal(parse(ORDER ",\"isolation\":\"container\",\"reset\":true,"
				     "\"home\":{\"key\":\"" ID "\",\"mib\":0}}",
			       &o, NULL),
			 0);
	assert_int_equal(o.v[0].isolation, HOST_CONTAINER);
	assert_true(o.v[0].reset);
	assert_string_equal(o.v[0].home, ID);
	host_orders_free(&o);
	assert_int_equal(parse(ORDER ",\"home\":null}", &o, NULL), 0);
	assert_int_equal(o.v[0].isolation, HOST_VM);
	assert_string_equal(o.v[0].home, "");
	host_orders_free(&o);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(parse(bad[i], &o, NULL) < 0);
}

static void absent_needs_only_its_id(void **state)
{
	struct host_orders o;

	(void)state;
	assert_int_equal(parse("{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"absent\"}", &o, NULL), 0);
	assert_int_equal(o.v[0].want, HOST_WANT_ABSENT);
	host_orders_free(&o);
}

static void bad_orders_spoil_the_reply(void **state)
{
	static const char *const bad[] = {
		"{}",
		"7",
		"{\"id\":\"../../../../../../../../../etc/"
		"passwd1\",\"epoch\":4,\"want\":\"absent\"}",
		"{\"id\":\"11111111-1111-4111-8111-11111111111A\",\"epoch\":4,\"want\":\"absent\"}",
		"{\"id\":\"" ID "\",\"epoch\":-1,\"want\":\"absent\"}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"none\"}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\"}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\",\"name\":\"a/"
		"b\",\"image\":\"i\",\"cpus\":1,\"memory_mib\":64}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\",\"name\":\"a\",\"image\":\".."
		"\",\"cpus\":1,\"memory_mib\":64}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\",\"name\":\"a\",\"image\":\"i,"
		"j\",\"cpus\":1,\"memory_mib\":64}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\",\"name\":\"a\",\"image\":"
		"\"i\",\"cpus\":0,\"memory_mib\":64}",
		"{\"id\":\"" ID "\",\"epoch\":4,\"want\":\"running\",\"name\":\"a\",\"image\":"
		"\"i\",\"cpus\":1,\"memory_mib\":1}",
		ORDER ",\"drop\":\"x\"}",
		ORDER ",\"drop\":[1]}",
		ORDER ",\"drop\":[\"a-connection-id-that-is-too-long\"]}",
		ORDER ",\"messages\":{}}",
		ORDER ",\"messages\":[1]}",
		ORDER ",\"messages\":[1,2,3,4,5]}",
		ORDER ",\"messages\":[{\"id\":7,\"text\":\"a\",\"left_ms\":1}]}",
		ORDER ",\"messages\":[{\"id\":\"7\",\"text\":\"\",\"left_ms\":1}]}",
		ORDER ",\"messages\":[{\"id\":\"7\",\"text\":\"a\",\"left_ms\":-1}]}",
		ORDER "},{\"id\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct host_orders o;
		struct err e = {0};

		assert_true(parse(bad[i], &o, &e) < 0);
		assert_true(e.msg[0] != 0);
		assert_null(o.v);
		assert_true(parse(bad[i], &o, NULL) < 0); /* also when nobody asks why */
	}
}

static void messages_go_with_their_order(void **state)
{
	struct host_orders o;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse(ORDER ",\"messages\":[{\"id\":\"7\",\"text\":\"Hi\",\"left_ms\":"
				     "5000,\"idle\":true}]}",
			       &o, &e),
			 0);
	assert_int_equal(json_array_size(o.messages[0]), 1);
	host_orders_free(&o);
	assert_int_equal(parse(ORDER "}", &o, &e), 0);
	assert_null(o.messages[0]);
	host_orders_free(&o);
}

static void names(void **state)
{
	(void)state;
	assert_true(host_name_ok("office-1"));
	assert_true(host_name_ok("a.b_c"));
	assert_false(host_name_ok(""));
	assert_false(host_name_ok(".."));
	assert_false(host_name_ok("-x"));
	assert_false(host_name_ok("a b"));
	assert_false(host_name_ok("a\nb"));
	assert_false(host_name_ok("Office"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply),
		cmocka_unit_test(containers),
		cmocka_unit_test(absent_needs_only_its_id),
		cmocka_unit_test(bad_orders_spoil_the_reply),
		cmocka_unit_test(messages_go_with_their_order),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
