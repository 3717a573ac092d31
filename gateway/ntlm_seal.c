/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See ntlm_seal.h. RC4 is written out here: OpenSSL 3 keeps it where nobody should look.
 */
#include "gateway/ntlm_seal.h"
#include "common/wire.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define CHECKSUM_LEN 8

void rc4_init(struct rc4 *r, const uint8_t *key, size_t n)
{
	uint8_t j = 0;

	for (unsigned i = 0; i < 256; i++)
		r->s[i] = (uint8_t)i;
	for (unsigned i = 0; i < 256; i++) {
		uint8_t t = r->s[i];

		j = (uint8_t)(j + t + key[i % n]);
		r->s[i] = r->s[j];
		r->s[j] = t;
	}
	r->i = r->j = 0;
}

void rc4_crypt(struct rc4 *r, uint8_t *p, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		uint8_t t = r->s[++r->i];

		r->j = (uint8_t)(r->j + t);
		r->s[r->i] = r->s[r->j];
		r->s[r->j] = t;
		p[k] ^= r->s[(uint8_t)(r->s[r->i] + t)];
	}
}

/* SIGNKEY and SEALKEY, 3.4.5.2 and 3.4.5.3: MD5 of key and a sentence with its NUL. */
static int derive(uint8_t out[NTLMV2_KEY_LEN], const uint8_t key[NTLMV2_KEY_LEN],
		  const char *sentence)
{
	uint8_t m[NTLMV2_KEY_LEN + 80], digest[EVP_MAX_MD_SIZE];
	size_t n = strlen(sentence) + 1;
	bool ok;

	memcpy(m, key, NTLMV2_KEY_LEN);
	memcpy(m + NTLMV2_KEY_LEN, sentence, n);
	ok = EVP_Digest(m, NTLMV2_KEY_LEN + n, digest, NULL, EVP_md5(), NULL) == 1;
	memcpy(out, digest, NTLMV2_KEY_LEN);
	explicit_bzero(m, sizeof(m));
	explicit_bzero(digest, sizeof(digest));
	return ok ? 0 : -ENOMEM;
}

void ntlm_restart(struct ntlm_way *w)
{
	rc4_init(&w->rc4, w->seal, sizeof(w->seal));
}

static int open_way(struct ntlm_way *w, const uint8_t key[NTLMV2_KEY_LEN], const char *sign,
		    const char *seal)
{
	w->seq = 0;
	if (derive(w->sign, key, sign) || derive(w->seal, key, seal))
		return -ENOMEM;
	ntlm_restart(w);
	return 0;
}

int ntlm_seal_init(struct ntlm_seal *s, const uint8_t base[NTLMV2_KEY_LEN],
		   const uint8_t exchanged[NTLMV2_KEY_LEN])
{
	struct rc4 r;
	int res;

	/* Version 2 exchanges keys under the SessionBaseKey itself, 3.4.5.1. */
	rc4_init(&r, base, NTLMV2_KEY_LEN);
	memcpy(s->exported, exchanged, NTLMV2_KEY_LEN);
	rc4_crypt(&r, s->exported, NTLMV2_KEY_LEN);
	explicit_bzero(&r, sizeof(r));
	res = open_way(&s->in, s->exported,
		       "session key to client-to-server signing key magic constant",
		       "session key to client-to-server sealing key magic constant");
	if (!res)
		res = open_way(&s->out, s->exported,
			       "session key to server-to-client signing key magic constant",
			       "session key to server-to-client sealing key magic constant");
	return res;
}

bool ntlm_seal_mic_ok(const struct ntlm_seal *s, const uint8_t *all, size_t n, size_t mic_at)
{
	uint8_t *copy, want[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool ok;

	if (mic_at > n || n - mic_at < NTLM_SIGNATURE_LEN)
		return false;
	copy = malloc(n);
	if (!copy)
		return false;
	memcpy(copy, all, n);
	memset(copy + mic_at, 0, NTLM_SIGNATURE_LEN);
	ok = HMAC(EVP_md5(), s->exported, NTLMV2_KEY_LEN, copy, n, want, &len) &&
	     !CRYPTO_memcmp(want, all + mic_at, NTLM_SIGNATURE_LEN);
	free(copy);
	return ok;
}

/* NTLMSSP_MESSAGE_SIGNATURE for extended session security, 2.2.2.9.2; the cipher has gone over the
 * message by then. */
int ntlm_sign(struct ntlm_way *w, const uint8_t *p, size_t n, uint8_t out[NTLM_SIGNATURE_LEN])
{
	uint8_t sum[EVP_MAX_MD_SIZE], *m = malloc(4 + n);
	unsigned len = 0;
	bool ok;

	if (!m)
		return -ENOMEM;
	put_le32(m, w->seq);
	memcpy(m + 4, p, n);
	ok = HMAC(EVP_md5(), w->sign, sizeof(w->sign), m, 4 + n, sum, &len) != NULL;
	explicit_bzero(m, 4 + n);
	free(m);
	if (!ok)
		return -ENOMEM;
	rc4_crypt(&w->rc4, sum, CHECKSUM_LEN);
	put_le32(out, 1);
	memcpy(out + 4, sum, CHECKSUM_LEN);
	put_le32(out + 12, w->seq++);
	return 0;
}

int ntlm_wrap(struct ntlm_way *w, const uint8_t *p, size_t n, uint8_t *out)
{
	memcpy(out + NTLM_SIGNATURE_LEN, p, n);
	rc4_crypt(&w->rc4, out + NTLM_SIGNATURE_LEN, n);
	return ntlm_sign(w, p, n, out);
}

int ntlm_unwrap(struct ntlm_way *w, const uint8_t *p, size_t n, uint8_t *out)
{
	uint8_t want[NTLM_SIGNATURE_LEN];
	int r;

	if (n < NTLM_SIGNATURE_LEN)
		return -EACCES;
	n -= NTLM_SIGNATURE_LEN;
	memcpy(out, p + NTLM_SIGNATURE_LEN, n);
	rc4_crypt(&w->rc4, out, n);
	r = ntlm_sign(w, out, n, want);
	if (r)
		return r;
	return CRYPTO_memcmp(want, p, sizeof(want)) ? -EACCES : 0;
}
