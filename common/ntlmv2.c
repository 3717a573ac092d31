/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See ntlmv2.h.
 */
#include "common/ntlmv2.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static bool hmac_md5(uint8_t out[NTLMV2_KEY_LEN], const uint8_t key[NTLMV2_KEY_LEN],
		     const uint8_t *p, size_t n)
{
	unsigned len = 0;

	return HMAC(EVP_md5(), key, NTLMV2_KEY_LEN, p, n, out, &len) && len == NTLMV2_KEY_LEN;
}

/* NTOWFv2, then NTProofStr = HMAC_MD5(ResponseKeyNT, ServerChallenge, temp), temp being what
 * follows it in the response, then SessionBaseKey = HMAC_MD5(ResponseKeyNT, NTProofStr). */
bool ntlmv2_proves(const struct ntlmv2_answer *a, const uint8_t hash[NTLMV2_HASH_LEN],
		   uint8_t key[NTLMV2_KEY_LEN])
{
	uint8_t mine[NTLMV2_KEY_LEN], want[NTLMV2_KEY_LEN];
	uint8_t said[NTLMV2_CHALLENGE_LEN + NTLMV2_RESPONSE_MAX];
	size_t n;
	bool ok;

	if (a->n_response < NTLMV2_RESPONSE_MIN || a->n_response > NTLMV2_RESPONSE_MAX)
		return false;
	n = a->n_response - NTLMV2_KEY_LEN;
	memcpy(said, a->challenge, NTLMV2_CHALLENGE_LEN);
	memcpy(said + NTLMV2_CHALLENGE_LEN, a->response + NTLMV2_KEY_LEN, n);
	ok = hmac_md5(mine, hash, a->names, a->n_names) &&
	     hmac_md5(want, mine, said, NTLMV2_CHALLENGE_LEN + n) &&
	     !CRYPTO_memcmp(want, a->response, NTLMV2_KEY_LEN) &&
	     hmac_md5(key, mine, want, NTLMV2_KEY_LEN);
	explicit_bzero(mine, sizeof(mine));
	explicit_bzero(want, sizeof(want));
	return ok;
}

void ntlmv2_hex(char *out, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ntlmv2_unhex(uint8_t *out, size_t max, const char *s, size_t *n)
{
	size_t len = strlen(s);

	if (len % 2 || len / 2 > max)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int high = nibble(s[i]), low = nibble(s[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*n = len / 2;
	return 0;
}
