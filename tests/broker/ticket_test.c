/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of tickets and tokens, passwords, and where a request comes from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/password.h"
#include "broker/req.h"
#include "broker/ticket.h"

#include <string.h>

static void made_ones_have_the_form_and_differ(void **state)
{
	char a[TICKET_LEN + 1], b[TICKET_LEN + 1], ha[DB_HASH_LEN], hb[DB_HASH_LEN];

	(void)state;
	ticket_make(TICKET_PREFIX, a);
	ticket_make(TICKET_PREFIX, b);
	assert_int_equal(strlen(a), TICKET_LEN);
	assert_true(ticket_form(TICKET_PREFIX, a));
	assert_string_not_equal(a, b);
	assert_int_equal(ticket_hash(TICKET_PREFIX, a, ha), 0);
	assert_int_equal(ticket_hash(TICKET_PREFIX, b, hb), 0);
	assert_string_not_equal(ha, hb);
	assert_int_equal(strlen(ha), 66);
	assert_int_equal(strncmp(ha, "\\x", 2), 0);
}

static void one_kind_is_not_another(void **state)
{
	char t[TICKET_LEN + 1], h[DB_HASH_LEN];

	(void)state;
	ticket_make(TOKEN_PREFIX, t);
	assert_false(ticket_form(TICKET_PREFIX, t));
	assert_int_not_equal(ticket_hash(ENROLL_PREFIX, t, h), 0);
}

static void near_misses_are_refused(void **state)
{
	char t[TICKET_LEN + 2];

	(void)state;
	ticket_make(TICKET_PREFIX, t);
	t[TICKET_LEN] = 'A';
	t[TICKET_LEN + 1] = 0;
	assert_false(ticket_form(TICKET_PREFIX, t)); /* one too many */
	t[TICKET_LEN - 1] = 0;
	assert_false(ticket_form(TICKET_PREFIX, t)); /* one too few */
	t[TICKET_LEN - 1] = '=';
	t[TICKET_LEN] = 0;
	assert_false(ticket_form(TICKET_PREFIX, t));
	t[TICKET_LEN - 1] = '+'; /* of the other base64 */
	assert_false(ticket_form(TICKET_PREFIX, t));
	assert_false(ticket_form(TICKET_PREFIX, ""));
}

static void passwords_verify(void **state)
{
	char h[PASSWORD_HASH_MAX], g[PASSWORD_HASH_MAX];

	(void)state;
	assert_int_equal(password_hash("correct horse", h), 0);
	assert_int_equal(password_hash("correct horse", g), 0);
	assert_string_not_equal(h, g); /* salted */
	assert_int_equal(strncmp(h, "$argon2id$", 10), 0);
	assert_true(password_verify("correct horse", h));
	assert_false(password_verify("correct horsf", h));
	assert_false(password_verify("correct horse", NULL));
	assert_false(password_verify("", h));
}

static void slots_are_bounded(void **state)
{
	struct hash_pool *p = hash_pool_new(2);

	(void)state;
	assert_non_null(p);
	assert_true(hash_pool_take(p));
	assert_true(hash_pool_take(p));
	assert_false(hash_pool_take(p));
	hash_pool_give(p);
	assert_true(hash_pool_take(p));
	hash_pool_free(p);
}

static void source_is_the_address(void **state)
{
	static const struct {
		const char *client, *source;
	} cases[] = {
		{"192.0.2.1:5000", "192.0.2.1"},
		{"[2001:db8::1]:5000", "2001:db8::1"},
		{"127.0.0.1:1", "loopback"},
		{"127.9.9.9:1", "loopback"},
		{"[::1]:1", "loopback"},
		{"[::ffff:192.0.2.1]:5000", "192.0.2.1"},
		{"[::ffff:127.0.0.1]:5", "loopback"},
		{"", ""},
		{":", ""},
		{"[", ""},
		{"unix", "unix"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		req_source(cases[i].client, out);
		assert_string_equal(out, cases[i].source);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_ones_have_the_form_and_differ),
		cmocka_unit_test(one_kind_is_not_another),
		cmocka_unit_test(near_misses_are_refused),
		cmocka_unit_test(passwords_verify),
		cmocka_unit_test(slots_are_bounded),
		cmocka_unit_test(source_is_the_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
