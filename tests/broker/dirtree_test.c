/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/dirldap.h"
#include "broker/dirtree.h"
#include "common/json.h"

static json_t *resolve(const char *users, const char *groups)
{
	cleanup_json json_t *u = json_loads(users, 0, NULL), *g = json_loads(groups, 0, NULL);

	assert_non_null(u);
	assert_non_null(g);
	return dirtree_resolve(u, g);
}

static void groups_are(json_t *o, size_t user, const char *want)
{
	cleanup_free char *text = json_dumps(
		json_object_get(json_array_get(json_object_get(o, "users"), user), "groups"),
		JSON_COMPACT);

	assert_string_equal(text, want);
}

static void through_groups_and_loops(void **state)
{
	cleanup_json json_t *o = resolve(
		"[{\"dn\":\"uid=A,dc=x\",\"name\":\"A\"},{\"dn\":\"uid=b,dc=x\",\"name\":\"b\"}]",
		"[{\"dn\":\"cn=one,dc=x\",\"name\":\"One\",\"members\":[\"CN=Two, DC=x\"]},"
		"{\"dn\":\"cn=two,dc=x\",\"name\":\"two\",\"members\":[\"uid=a,dc=x\",\"cn=one,dc="
		"x\",\"cn=two,dc=x\"]},"
		"{\"dn\":\"cn=self,dc=x\",\"name\":\"self\",\"members\":[\"cn=self,dc=x\",\"uid=b,"
		"dc=x\",\"cn=gone,dc=x\"]}]");

	(void)state;
	groups_are(o, 0, "[\"one\",\"two\"]");
	groups_are(o, 1, "[\"self\"]");
	assert_int_equal(json_array_size(json_object_get(o, "groups")), 3);
}

/* One DN written in two ways, and names instead of DNs (memberUid). */
static void members_as_they_are_written(void **state)
{
	cleanup_json json_t *o = resolve(
		"[{\"dn\":\"uid=a,ou=Sales\\\\, EMEA,dc=x\",\"name\":\"a\"},"
		"{\"dn\":\"cn=J\u00fcrgen+uid=b,ou=\u00d6l,dc=x\",\"name\":\"b\"},"
		"{\"dn\":\"uid=c,dc=x\",\"name\":\"C\"},{\"dn\":\"uid=ac,dc=x\",\"name\":\"ac\"}]",
		"[{\"dn\":\"cn=g,dc=x\",\"name\":\"g\",\"members\":[\"UID=a, OU=sales\\\\2C "
		"emea,DC=x\","
		"\"uid=b+cn=j\\\\C3\\\\BCrgen,ou=\u00f6l,dc=x\"]},"
		"{\"dn\":\"cn=p,dc=x\",\"name\":\"p\",\"members\":[\"c\",\"nobody\",\"\"]}]");

	(void)state;
	groups_are(o, 0, "[\"g\"]");
	groups_are(o, 1, "[\"g\"]");
	groups_are(o, 2, "[\"p\"]");
	groups_are(o, 3, "[]");
}

static void names_that_cannot_be(void **state)
{
	cleanup_json json_t *o = resolve(
		"[{\"dn\":\"1\",\"name\":\"has "
		"space\"},{\"dn\":\"2\",\"name\":\"\"},{\"dn\":\"3\"},"
		"{\"dn\":\"4\",\"name\":\"off\",\"disabled\":true},{\"dn\":\"5\",\"name\":\"ok\"}]",
		"[{\"dn\":\"6\",\"name\":\"-\"},{\"dn\":\"7\",\"name\":\"Domain "
		"Users\",\"members\":[\"5\"]},"
		"{\"dn\":\"8\",\"name\":7,\"members\":\"no list\"},{}]");
	char out[80];

	(void)state;
	groups_are(o, 0, "[\"domain-users\"]");
	assert_int_equal(json_array_size(json_object_get(o, "users")), 1);
	assert_int_equal(json_array_size(json_object_get(o, "skipped")), 6);
	assert_true(dirtree_user_name("Jo.Doe@Example", out, sizeof(out)));
	assert_string_equal(out, "jo.doe@example");
	assert_false(dirtree_user_name("a-name-that-goes-on-and-on", out, 10));
}

/* 1,000 groups, each in the next and the last in the first; a user in the last. */
static void a_long_chain(void **state)
{
	cleanup_json json_t *users = json_array(), *groups = json_array(), *o = NULL;
	enum {
		GROUPS = 1000
	};

	(void)state;
	json_array_append_new(users, json_pack("{s:s, s:s}", "dn", "u0", "name", "u0"));
	for (int i = 0; i < GROUPS; i++) {
		char dn[20], next[20];

		snprintf(dn, sizeof(dn), "g%d", i);
		snprintf(next, sizeof(next), "g%d", (i + 1) % GROUPS);
		json_array_append_new(groups,
				      json_pack("{s:s, s:s, s:[s, s]}", "dn", dn, "name", dn,
						"members", next, i == GROUPS - 1 ? "u0" : "x"));
	}
	o = dirtree_resolve(users, groups);
	assert_int_equal(json_array_size(json_object_get(
				 json_array_get(json_object_get(o, "users"), 0), "groups")),
			 GROUPS);
}

static void filters_are_escaped(void **state)
{
	char out[64];

	(void)state;
	dirldap_escape("a*(b)\\c", out, sizeof(out));
	assert_string_equal(out, "a\\2a\\28b\\29\\5cc"); /* RFC 4515 §4 */
	dirldap_escape("plain.name@x", out, sizeof(out));
	assert_string_equal(out, "plain.name@x");
	dirldap_escape("****", out, 10); /* cut between values, never within an escape */
	assert_string_equal(out, "\\2a\\2a");
}

static void configurations_that_make_no_sense(void **state)
{
	struct directory_conf c = {.uri = (char[]){"ldap://h"}, .user_base = (char[]){"dc=x"}};
	struct err e = {0};

	(void)state;
	assert_int_equal(dirldap_check(&c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "in the clear"));
	c.start_tls = true;
	assert_int_equal(dirldap_check(&c, &e), 0);
	c.bind_dn = (char[]){"cn=x"};
	assert_int_equal(dirldap_check(&c, &e), -EINVAL);
	c.bind_dn = NULL;
	c.uri = (char[]){"http://h"};
	assert_int_equal(dirldap_check(&c, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(through_groups_and_loops),
		cmocka_unit_test(members_as_they_are_written),
		cmocka_unit_test(names_that_cannot_be),
		cmocka_unit_test(a_long_chain),
		cmocka_unit_test(filters_are_escaped),
		cmocka_unit_test(configurations_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
