/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a preface must hold; the connections themselves are in the stories of agent_test.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/host/door.h"

#define HOST	"3f0e0c7c-0000-4000-8000-000000000001"
#define DESKTOP "3f0e0c7c-0000-4000-8000-000000000002"

static EVP_PKEY *key;

static int setup(void **state)
{
	(void)state;
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return key ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

static struct grant sample(void)
{
	return (struct grant){.host = HOST,
			      .desktop = DESKTOP,
			      .epoch = 3,
			      .user = "alice",
			      .conn = "c1",
			      .nonce = "n",
			      .expires_s = 1000};
}

static int check(const struct grant *signed_grant, const char *field, json_t *value, EVP_PKEY *k,
		 struct err *e)
{
	struct host_door_check c = {.key = k, .host = HOST, .now_s = 990};
	char text[GRANT_MAX];
	struct grant g;
	json_t *o;
	int r;

	assert_int_equal(grant_sign(key, signed_grant, text, NULL), 0);
	o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "grant", text, "protocol", "rdp", "conn", "c1",
		      "client", "192.0.2.1:5", "user", "alice", "desktop", DESKTOP);
	if (field && value)
		json_object_set_new(o, field, value);
	else if (field)
		json_object_del(o, field);
	r = host_door_preface(o, &c, &g, e);
	if (r == 0)
		assert_null(json_object_get(o, "grant"));
	json_decref(o);
	return r;
}

static void a_good_one_passes_without_its_grant(void **state)
{
	struct grant g = sample();

	(void)state;
	assert_int_equal(check(&g, NULL, NULL, key, NULL), 0);
}

static void who_helps_is_said_by_the_grant_only(void **state)
{
	struct host_door_check c = {.key = key, .host = HOST, .now_s = 990};
	static const char *const modes[] = {"", "view", "control"};
	struct grant g = sample(), got;
	char text[GRANT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		json_t *o;

		snprintf(g.mode, sizeof(g.mode), "%s", modes[i]);
		assert_int_equal(grant_sign(key, &g, text, NULL), 0);
		o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "grant", text, "protocol", "rdp",
			      "conn", "c1", "client", "192.0.2.1:5", "user", "alice", "desktop",
			      DESKTOP, "mode", "control"); /* a gateway's word */
		assert_int_equal(host_door_preface(o, &c, &got, NULL), 0);
		if (modes[i][0])
			assert_string_equal(json_string_value(json_object_get(o, "mode")),
					    modes[i]);
		else
			assert_null(json_object_get(o, "mode"));
		json_decref(o);
	}
	strcpy(g.mode, "steal");
	assert_int_equal(grant_sign(key, &g, text, NULL), 0);
	assert_int_equal(grant_verify(key, text, &got, NULL), -EINVAL);
}

static void every_field_is_needed(void **state)
{
	static const char *const fields[] = {"grant",  "protocol", "conn",
					     "client", "user",	   "desktop"};
	struct grant g = sample();

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert_true(check(&g, fields[i], NULL, key, NULL) < 0);
		assert_true(check(&g, fields[i], json_integer(1), key, NULL) < 0);
	}
	assert_true(check(&g, "protocol", json_string("ssh"), key, NULL) < 0);
}

static void the_grant_binds(void **state)
{
	struct grant g = sample();
	struct err e = {0};

	(void)state;
	assert_int_equal(check(&g, "user", json_string("bob"), key, &e), -EACCES);
	assert_int_equal(check(&g, "conn", json_string("c2"), key, &e), -EACCES);
	assert_int_equal(check(&g, "desktop", json_string(HOST), key, &e), -EACCES);
	g.expires_s = 989;
	assert_int_equal(check(&g, NULL, NULL, key, &e), -EACCES);
	assert_string_equal(e.word, "grant.expired");
	g = sample();
	memcpy(g.host, DESKTOP, sizeof(DESKTOP));
	assert_int_equal(check(&g, NULL, NULL, key, &e), -EACCES);
	assert_string_equal(e.word, "grant.host");
}

static void another_key_or_none_is_refused(void **state)
{
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct grant g = sample();
	struct err e = {0};

	(void)state;
	assert_int_equal(check(&g, NULL, NULL, other, &e), -EACCES);
	assert_string_equal(e.word, "grant.signature");
	assert_int_equal(check(&g, NULL, NULL, NULL, &e), -EAGAIN);
	EVP_PKEY_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_passes_without_its_grant),
		cmocka_unit_test(every_field_is_needed),
		cmocka_unit_test(who_helps_is_said_by_the_grant_only),
		cmocka_unit_test(the_grant_binds),
		cmocka_unit_test(another_key_or_none_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
