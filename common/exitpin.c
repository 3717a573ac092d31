/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See exitpin.h. PBKDF2 of RFC 8018 §5.2, by OpenSSL.
 */
#include "common/exitpin.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS	   100000
#define ROUNDS_MAX 10000000
#define SALT_BYTES 16
#define HASH_BYTES 32

static bool is_pin(const char *s)
{
	size_t n = strlen(s);

	return n >= 4 && n <= 12 && strspn(s, "0123456789") == n;
}

static void to_hex(const unsigned char *in, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", in[i]);
}

static int from_hex(const char *in, unsigned char *out, size_t n)
{
	if (strlen(in) != 2 * n || strspn(in, "0123456789abcdef") != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (sscanf(in + 2 * i, "%2hhx", &out[i]) != 1)
			return -EINVAL;
	return 0;
}

static int derive(const char *pin, const unsigned char *salt, int rounds, unsigned char *hash)
{
	return PKCS5_PBKDF2_HMAC(pin, (int)strlen(pin), salt, SALT_BYTES, rounds, EVP_sha256(),
				 HASH_BYTES, hash) == 1
		       ? 0
		       : -EIO;
}

int exitpin_make(const char *pin, char *out)
{
	unsigned char salt[SALT_BYTES], hash[HASH_BYTES];
	char s[2 * SALT_BYTES + 1], h[2 * HASH_BYTES + 1];

	if (!is_pin(pin))
		return -EINVAL;
	if (RAND_bytes(salt, sizeof(salt)) != 1 || derive(pin, salt, ROUNDS, hash))
		return -EIO;
	to_hex(salt, sizeof(salt), s);
	to_hex(hash, sizeof(hash), h);
	snprintf(out, EXITPIN_LEN, "pbkdf2-sha256$%d$%s$%s", ROUNDS, s, h);
	return 0;
}

bool exitpin_fits(const char *kept, const char *pin)
{
	unsigned char salt[SALT_BYTES], want[HASH_BYTES], hash[HASH_BYTES];
	char s[2 * SALT_BYTES + 1], h[2 * HASH_BYTES + 1];
	int rounds;

	if (!is_pin(pin))
		return false;
	if (is_pin(kept))
		return strlen(kept) == strlen(pin) && !CRYPTO_memcmp(kept, pin, strlen(pin));
	if (sscanf(kept, "pbkdf2-sha256$%d$%32[0-9a-f]$%64[0-9a-f]", &rounds, s, h) != 3 ||
	    rounds < 1 || rounds > ROUNDS_MAX || from_hex(s, salt, sizeof(salt)) ||
	    from_hex(h, want, sizeof(want)) || derive(pin, salt, rounds, hash))
		return false;
	return !CRYPTO_memcmp(want, hash, sizeof(hash));
}
