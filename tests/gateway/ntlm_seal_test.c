/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM's protection of messages: RC4 by known answers, the example of [MS-NLMP] 4.2.4, and what a
 * changed bit does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/ntlm_seal.h"

static void rc4_known_answers(void **state)
{
	/* RFC 6229, key 0102030405: the stream's first bytes */
	static const uint8_t key[] = {1, 2, 3, 4, 5},
			     want[] = {0xb2, 0x39, 0x63, 0x05, 0xf0, 0x3d, 0xc0, 0x27};
	uint8_t p[sizeof(want)] = {0};
	struct rc4 r;

	(void)state;
	rc4_init(&r, key, sizeof(key));
	rc4_crypt(&r, p, sizeof(p));
	assert_memory_equal(p, want, sizeof(want));
}

/* 4.2.4: SessionBaseKey, the encrypted key of 16 times 0x55, and "Plaintext" sealed by a client. */
static const uint8_t base[] = {0x8d, 0xe4, 0x0c, 0xca, 0xdb, 0xc1, 0x4a, 0x82,
			       0xf1, 0x5c, 0xb0, 0xad, 0x0d, 0xe9, 0x5c, 0xa3};
static const uint8_t exchanged[] = {0xC5, 0xDA, 0xD2, 0x54, 0x4F, 0xC9, 0x79, 0x90,
				    0x94, 0xCE, 0x1C, 0xE9, 0x0B, 0xC9, 0xD0, 0x3E};
static const uint8_t sealed[] = {0x01, 0,    0,	   0,	 0x7F, 0xB3, 0x8E, 0xC5, 0xC5,
				 0x5D, 0x49, 0x76, 0,	 0,    0,    0,	   0x54, 0xE5,
				 0x01, 0x65, 0xBF, 0x19, 0x36, 0xDC, 0x99, 0x60, 0x20,
				 0xC1, 0x81, 0x1B, 0x0F, 0x06, 0xFB, 0x5F};

static void specification(void **state)
{
	static const uint8_t text[] = {'P', 0,	 'l', 0,   'a', 0,   'i', 0,   'n',
				       0,   't', 0,   'e', 0,	'x', 0,	  't', 0};
	uint8_t out[sizeof(sealed)], key[16];
	struct ntlm_seal s;

	(void)state;
	assert_int_equal(ntlm_seal_init(&s, base, exchanged), 0);
	memset(key, 0x55, sizeof(key));
	assert_memory_equal(s.exported, key, sizeof(key));
	assert_int_equal(ntlm_unwrap(&s.in, sealed, sizeof(sealed), out), 0);
	assert_memory_equal(out, text, sizeof(text));
	/* A second time it is another number's. */
	assert_int_equal(ntlm_unwrap(&s.in, sealed, sizeof(sealed), out), -EACCES);
	assert_int_equal(ntlm_seal_init(&s, base, exchanged), 0);
	assert_int_equal(ntlm_wrap(&s.in, text, sizeof(text), out), 0);
	assert_memory_equal(out, sealed, sizeof(sealed));
}

static void any_bit_counts(void **state)
{
	uint8_t m[sizeof(sealed)], out[sizeof(sealed)];
	struct ntlm_seal s;

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
		memcpy(m, sealed, sizeof(m));
		m[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ntlm_seal_init(&s, base, exchanged), 0);
		assert_int_equal(ntlm_unwrap(&s.in, m, sizeof(m), out), -EACCES);
	}
	assert_int_equal(ntlm_unwrap(&s.in, sealed, 15, out), -EACCES);
}

static void mic_must_be_inside(void **state)
{
	uint8_t m[40] = {0};
	struct ntlm_seal s;

	(void)state;
	assert_int_equal(ntlm_seal_init(&s, base, exchanged), 0);
	assert_false(ntlm_seal_mic_ok(&s, m, sizeof(m), 24));
	assert_false(ntlm_seal_mic_ok(&s, m, sizeof(m), 25));
	assert_false(ntlm_seal_mic_ok(&s, m, sizeof(m), 41));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rc4_known_answers),
		cmocka_unit_test(specification),
		cmocka_unit_test(any_bit_counts),
		cmocka_unit_test(mic_must_be_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
