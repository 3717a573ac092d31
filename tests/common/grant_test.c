/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/grant.c: only the broker's own words are believed, and only once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/grant.h"

static const struct grant sample = {
	.host = "3f0e0c7c-0000-4000-8000-000000000001",
	.desktop = "3f0e0c7c-0000-4000-8000-000000000002",
	.epoch = 3,
	.user = "alice \"quoted\" ü",
	.conn = "abcdefgh2345",
	.nonce = "n-1",
	.expires_s = 1790000030,
};

static EVP_PKEY *new_key(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void a_signed_grant_is_read_back(void **state)
{
	EVP_PKEY *k = new_key();
	char text[GRANT_MAX];
	struct grant g = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(grant_sign(k, &sample, text, &e), 0);
	assert_int_equal(grant_verify(k, text, &g, &e), 0);
	assert_string_equal(g.user, sample.user);
	assert_string_equal(g.desktop, sample.desktop);
	assert_int_equal(g.epoch, 3);
	assert_int_equal(g.expires_s, sample.expires_s);
	EVP_PKEY_free(k);
}

static void any_changed_byte_is_refused(void **state)
{
	EVP_PKEY *k = new_key(), *other = new_key();
	char text[GRANT_MAX], bad[GRANT_MAX];
	struct grant g;

	(void)state;
	assert_int_equal(grant_sign(k, &sample, text, NULL), 0);
	assert_true(grant_verify(other, text, &g, NULL) < 0);
	for (size_t i = 0; i < strlen(text); i++) {
		memcpy(bad, text, sizeof(bad));
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_true(grant_verify(k, bad, &g, NULL) < 0);
	}
	assert_true(grant_verify(k, "pg1.", &g, NULL) < 0);
	assert_true(grant_verify(k, "", &g, NULL) < 0);
	EVP_PKEY_free(k);
	EVP_PKEY_free(other);
}

static void a_nonce_serves_once(void **state)
{
	struct grant_seen *s = grant_seen_new();
	struct grant g = sample;

	(void)state;
	assert_int_equal(grant_once(s, &g, 1790000000), 0);
	assert_int_equal(grant_once(s, &g, 1790000001), -EEXIST);
	for (int i = 0; i < 9000; i++) {
		int r;

		snprintf(g.nonce, sizeof(g.nonce), "m-%d", i);
		r = grant_once(s, &g, 1790000001);
		assert_int_equal(r, i < 8191 ? 0 : -ENOSPC);
	}
	/* Room again when the old ones have expired. */
	snprintf(g.nonce, sizeof(g.nonce), "later");
	assert_int_equal(grant_once(s, &g, 1790000200), 0);
	grant_seen_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_grant_is_read_back),
		cmocka_unit_test(any_changed_byte_is_refused),
		cmocka_unit_test(a_nonce_serves_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
