/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading what pane.assign() answers, and the one form of errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/assign.h"
#include "broker/db.h"
#include "broker/route.h"
#include "common/json.h"

#include <string.h>

static void ready_has_everything(void **state)
{
	cleanup_assignment struct assignment a = {0};

	(void)state;
	assert_int_equal(
		assign_parse(
			"{\"id\":\"d\",\"desktop\":\"office-1\",\"state\":\"ready\",\"epoch\":7,"
			"\"reason\":\"\",\"host\":\"h\",\"address\":\"1.2.3.4:5\",\"percent\":100}",
			&a),
		0);
	assert_int_equal(a.kind, ASSIGN_READY);
	assert_int_equal(a.epoch, 7);
	assert_string_equal(a.address, "1.2.3.4:5");
}

static void transient_is_starting(void **state)
{
	static const char *const states[] = {"cloning", "booting", "recycling", "requested"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		cleanup_assignment struct assignment a = {0};
		char text[100];

		snprintf(text, sizeof(text),
			 "{\"desktop\":\"x-1\",\"state\":\"%s\",\"reason\":\"\"}", states[i]);
		assert_int_equal(assign_parse(text, &a), 0);
		assert_int_equal(a.kind, ASSIGN_STARTING);
	}
}

static void refusals_have_reasons(void **state)
{
	static const char *const texts[] = {
		"{\"reasons\":[\"pool x is full\"]}",
		"{\"desktop\":\"x-1\",\"state\":\"failed\",\"reason\":\"no "
		"disk\",\"host_name\":\"h1\"}",
		"{\"desktop\":\"x-1\",\"state\":\"requested\",\"reason\":\"no host\"}",
		"{\"desktop\":\"x-1\",\"state\":\"never heard\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup_assignment struct assignment a = {0};

		assert_int_equal(assign_parse(texts[i], &a), 0);
		assert_int_equal(a.kind, ASSIGN_REFUSED);
		assert_int_equal(json_array_size(a.reasons), 1);
		if (i == 1)
			assert_string_equal(json_string_value(json_array_get(a.reasons, 0)),
					    "desktop x-1 is failed on host h1: no disk");
	}
}

static void nonsense_is_an_error(void **state)
{
	cleanup_assignment struct assignment a = {0};

	(void)state;
	assert_int_not_equal(assign_parse("", &a), 0);
	assert_int_not_equal(assign_parse("[]", &a), 0);
	assert_int_not_equal(assign_parse("{}", &a), 0);
}

static void errors_have_one_form(void **state)
{
	struct req *r = req_new();
	struct db db = {.fail = {.status = 409,
				 .code = "pool.busy",
				 .msg = "Busy \"now\".",
				 .reasons = "[\"a\",\"b\"]"}};
	json_t *e;

	(void)state;
	strcpy(r->conn, "id1");
	assert_int_equal(req_fail_db(r, &db), REQ_FAIL);
	r->json = json_loads(r->reply, 0, NULL);
	e = json_object_get(r->json, "error");
	assert_string_equal(json_string_value(json_object_get(e, "code")), "pool.busy");
	assert_string_equal(json_string_value(json_object_get(e, "message")), "Busy \"now\".");
	assert_int_equal(json_array_size(json_object_get(e, "reasons")), 2);
	assert_string_equal(json_string_value(json_object_get(e, "id")), "id1");
	req_free(r);
}

static void routes_match_whole_segments(void **state)
{
	static const struct {
		const char *method, *path;
		int status; /* 0: found */
	} cases[] = {
		{"GET", "/api/v1/users/bob", 0},
		{"GET", "/api/v1/users/", 404},
		{"GET", "/api/v1/users/a/b", 404},
		{"PUT", "/api/v1/users", 405},
		{"GET", "/api/v1/usersx", 404},
		{"GET", "", 404},
		{"POST", "/internal/v1/connections", 404}, /* not on the api socket */
		{"DELETE", "/api/v1/pools/p/entitlements/u", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct req *r = req_new();
		const struct route *t;

		snprintf(r->method, sizeof(r->method), "%s", cases[i].method);
		snprintf(r->path, sizeof(r->path), "%s", cases[i].path);
		t = route_find(r);
		assert_int_equal(r->status, cases[i].status);
		assert_int_equal(t != NULL, cases[i].status == 0);
		if (i == 7) {
			assert_string_equal(r->arg[0], "p");
			assert_string_equal(r->arg[1], "u");
		}
		req_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_has_everything),
		cmocka_unit_test(transient_is_starting),
		cmocka_unit_test(refusals_have_reasons),
		cmocka_unit_test(nonsense_is_an_error),
		cmocka_unit_test(errors_have_one_form),
		cmocka_unit_test(routes_match_whole_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
