/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM: the example of [MS-NLMP] 4.2.4, what of it a wrong password or a changed byte does, and
 * what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "gateway/ntlm.h"
#include "tests/common/ntlm_vectors.h"

/* 4.2.1: User, Domain */
static const uint8_t user[] = {'U', 0, 's', 0, 'e', 0, 'r', 0};
static const uint8_t domain[] = {'D', 0, 'o', 0, 'm', 0, 'a', 0, 'i', 0, 'n', 0};

static size_t field(uint8_t *m, size_t at, size_t end, const void *p, size_t n)
{
	put_le16(m + at, (uint16_t)n);
	put_le16(m + at + 2, (uint16_t)n);
	put_le32(m + at + 4, (uint32_t)end);
	memcpy(m + end, p, n);
	return end + n;
}

/* An AUTHENTICATE_MESSAGE, 2.2.1.3. */
static size_t message(uint8_t m[512])
{
	size_t end = 64;

	memset(m, 0, 512);
	memcpy(m, "NTLMSSP", 8);
	put_le32(m + 8, NTLM_AUTHENTICATE);
	end = field(m, 28, end, domain, sizeof(domain));
	end = field(m, 36, end, user, sizeof(user));
	end = field(m, 20, end, response, sizeof(response));
	put_le32(m + 60, 1);
	return end;
}

static struct ntlm_proof proof_of(const uint8_t *m, size_t n)
{
	struct ntlm_proof p = {0};

	assert_int_equal(ntlm_parse_authenticate(m, n, &p), 0);
	memcpy(p.challenge, challenge, sizeof(challenge));
	return p;
}

static void specification(void **state)
{
	uint8_t m[512];
	size_t n = message(m);
	struct ntlm_proof p = proof_of(m, n);

	(void)state;
	assert_true(ntlm_proves(&p, "Password"));
	assert_false(ntlm_proves(&p, "password"));
	assert_false(ntlm_proves(&p, ""));
	assert_false(ntlm_proves(&p, "\xff")); /* not UTF-8 */
	p.user[0] = 'u';		       /* only capitals count */
	assert_true(ntlm_proves(&p, "Password"));
	p.domain[0] = 'd'; /* of the user's name, not of the domain's */
	assert_false(ntlm_proves(&p, "Password"));
}

static void bound_to_the_challenge(void **state)
{
	uint8_t m[512];
	size_t n = message(m);

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct ntlm_proof p = proof_of(m, n);

		p.challenge[i] ^= 1;
		assert_false(ntlm_proves(&p, "Password"));
	}
	for (size_t i = 0; i < sizeof(response); i++) {
		struct ntlm_proof p = proof_of(m, n);

		p.response[i] ^= 0x10;
		assert_false(ntlm_proves(&p, "Password"));
	}
}

static void refused(void **state)
{
	uint8_t m[512];
	size_t n = message(m);
	struct ntlm_proof p;

	(void)state;
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(ntlm_parse_authenticate(m, cut, &p), -EPROTO);
	put_le16(m + 20, 24); /* a response of version 1 */
	assert_int_equal(ntlm_parse_authenticate(m, n, &p), -EPROTO);
	n = message(m);
	put_le32(m + 24, 0xFFFFFFF0); /* beyond the end, by wrapping around */
	assert_int_equal(ntlm_parse_authenticate(m, n, &p), -EPROTO);
	n = message(m);
	put_le32(m + 24, 8); /* in the header */
	assert_int_equal(ntlm_parse_authenticate(m, n, &p), -EPROTO);
	n = message(m);
	put_le16(m + 36, 0); /* anonymous */
	assert_int_equal(ntlm_parse_authenticate(m, n, &p), -EPROTO);
	n = message(m);
	put_le32(m + 60, 2); /* OEM text */
	assert_int_equal(ntlm_parse_authenticate(m, n, &p), -EPROTO);
}

static void challenges(void **state)
{
	static const uint8_t first[] = {'N', 'T',  'L',	 'M',  'S',  'S', 'P', 0, 1, 0, 0,
					0,   0x07, 0x82, 0x08, 0xa2, 0,	  0,   0, 0, 0, 0};
	struct buf b;
	const uint8_t *m;

	(void)state;
	buf_init(&b, 512);
	assert_int_equal(ntlm_write_challenge(&b, first, sizeof(first), challenge, 0), 0);
	m = buf_head(&b);
	assert_int_equal(ntlm_type(m, b.len), NTLM_CHALLENGE);
	assert_memory_equal(m + 24, challenge, 8);
	assert_true(range_ok(get_le32(m + 44), get_le16(m + 40), b.len));
	assert_int_equal(get_le32(m + 44) + get_le16(m + 40), b.len);
	/* 1970 in 100 ns since 1601, in the last pair but one */
	assert_int_equal(get_le64(m + b.len - 12), 116444736000000000);
	assert_int_equal(get_le32(m + b.len - 4), 0);
	for (size_t cut = 0; cut < 16; cut++)
		assert_int_equal(ntlm_write_challenge(&b, first, cut, challenge, 0), -EPROTO);
	buf_fini(&b);
	assert_int_equal(ntlm_type((const uint8_t *)"\x60\x82\x01\x02 spnego....", 16), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specification),
		cmocka_unit_test(bound_to_the_challenge),
		cmocka_unit_test(refused),
		cmocka_unit_test(challenges),
	};

	return cmocka_run_group_tests_name("ntlm", tests, NULL, NULL);
}
