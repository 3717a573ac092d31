/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Secrets, randomness and their text forms; see secret.h. No state.
 */
#include "common/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

int secret_set(struct secret *s, const void *p, size_t n)
{
	if (n >= SECRET_MAX)
		return -E2BIG;
	memcpy(s->bytes, p, n);
	s->bytes[n] = '\0';
	s->len = n;
	return 0;
}

void secret_wipe(struct secret *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && !CRYPTO_memcmp(a->bytes, b->bytes, a->len);
}

void secret_no_core(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none); /* lowering a limit is always allowed */
}

void random_bytes(void *p, size_t n)
{
	uint8_t *b = p;

	while (n) {
		ssize_t r = getrandom(b, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			abort(); /* a kernel without randomness cannot run us safely */
		b += r;
		n -= (size_t)r;
	}
}

static const char b64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(char *out, const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t o = 0;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
			     (left > 2 ? b[i + 2] : 0);

		out[o++] = b64url[v >> 18];
		out[o++] = b64url[v >> 12 & 63];
		if (left > 1)
			out[o++] = b64url[v >> 6 & 63];
		if (left > 2)
			out[o++] = b64url[v & 63];
	}
	out[o] = '\0';
	return o;
}

int base64url_decode(void *out, size_t max, const char *s, size_t n)
{
	uint8_t *b = out;
	size_t o = 0;
	uint32_t acc = 0;
	int bits = 0;

	if (n % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *at = s[i] ? strchr(b64url, s[i]) : NULL;

		if (!at)
			return -EINVAL;
		acc = acc << 6 | (uint32_t)(at - b64url);
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (o == max)
			return -EINVAL;
		b[o++] = (uint8_t)(acc >> bits);
	}
	/* Only the canonical spelling of a value is accepted. */
	return acc & ((1u << bits) - 1) ? -EINVAL : (int)o;
}

void sha256_hex(char out[65], const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t md[32];
	unsigned len = sizeof(md);

	if (!EVP_Digest(p, n, md, &len, EVP_sha256(), NULL))
		abort(); /* SHA-256 is always there */
	for (unsigned i = 0; i < 32; i++) {
		out[2 * i] = hex[md[i] >> 4];
		out[2 * i + 1] = hex[md[i] & 15];
	}
	out[64] = '\0';
}

static void random_from(char *out, size_t n, const char *set, unsigned size)
{
	uint8_t pool[32];
	size_t left = 0;

	for (size_t i = 0; i < n;) {
		uint8_t r;

		if (!left)
			random_bytes(pool, left = sizeof(pool));
		r = pool[--left];
		if (r < 256 - 256 % size)
			out[i++] = set[r % size];
	}
	OPENSSL_cleanse(pool, sizeof(pool));
	out[n] = '\0';
}

void random_password(char *out, size_t n)
{
	static const char set[] = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

	random_from(out, n, set, sizeof(set) - 1);
}

void random_id(char out[ID_LEN + 1])
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz234567";

	random_from(out, ID_LEN, set, sizeof(set) - 1);
}
