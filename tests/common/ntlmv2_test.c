/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM version 2's arithmetic: the example of [MS-NLMP] 4.2.4 and what another hash, challenge or
 * length does to it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/ntlmv2.h"
#include "tests/common/ntlm_vectors.h"

/* 4.2.1, 4.2.2.1.2 (NTOWFv1 of "Password"), 4.2.4.1.3, 4.2.4.2.2, 4.2.4.1.2 */
static const uint8_t names[] = {'U', 0, 'S', 0, 'E', 0, 'R', 0, 'D', 0,
				'o', 0, 'm', 0, 'a', 0, 'i', 0, 'n', 0};
static const uint8_t hash[] = {0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca,
			       0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f, 0xd8, 0x52};
static const uint8_t session[] = {0x8d, 0xe4, 0x0c, 0xca, 0xdb, 0xc1, 0x4a, 0x82,
				  0xf1, 0x5c, 0xb0, 0xad, 0x0d, 0xe9, 0x5c, 0xa3};

static struct ntlmv2_answer example(void)
{
	return (struct ntlmv2_answer){.names = names,
				      .n_names = sizeof(names),
				      .challenge = challenge,
				      .response = response,
				      .n_response = sizeof(response)};
}

static void specification(void **state)
{
	struct ntlmv2_answer a = example();
	uint8_t key[NTLMV2_KEY_LEN];

	(void)state;
	assert_true(ntlmv2_proves(&a, hash, key));
	assert_memory_equal(key, session, sizeof(session));
}

static void anything_else_proves_nothing(void **state)
{
	static const uint8_t zero[NTLMV2_HASH_LEN];
	struct ntlmv2_answer a = example();
	uint8_t key[NTLMV2_KEY_LEN];

	(void)state;
	assert_false(ntlmv2_proves(&a, zero, key));
	a.challenge = hash;
	assert_false(ntlmv2_proves(&a, hash, key));
	a = example();
	a.n_names -= 2;
	assert_false(ntlmv2_proves(&a, hash, key));
	a = example();
	a.n_response = NTLMV2_RESPONSE_MIN - 1;
	assert_false(ntlmv2_proves(&a, hash, key));
	a.n_response = NTLMV2_RESPONSE_MAX + 1;
	assert_false(ntlmv2_proves(&a, hash, key));
}

static void hex(void **state)
{
	char text[2 * sizeof(challenge) + 1];
	uint8_t back[sizeof(challenge)];
	size_t n = 0;

	(void)state;
	ntlmv2_hex(text, challenge, sizeof(challenge));
	assert_string_equal(text, "0123456789abcdef");
	assert_int_equal(ntlmv2_unhex(back, sizeof(back), text, &n), 0);
	assert_int_equal(n, sizeof(challenge));
	assert_memory_equal(back, challenge, sizeof(challenge));
	assert_int_equal(ntlmv2_unhex(back, 7, text, &n), -EINVAL);
	assert_int_equal(ntlmv2_unhex(back, sizeof(back), "abc", &n), -EINVAL);
	assert_int_equal(ntlmv2_unhex(back, sizeof(back), "0g", &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specification),
		cmocka_unit_test(anything_else_proves_nothing),
		cmocka_unit_test(hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
