/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See totp.h.
 */
#include "broker/totp.h"
#include "common/secret.h"

#include <ctype.h>
#include <liboath/oath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_S 30
#define BYTES  20 /* RFC 4226 §4 R6 recommends 160 bits */

static void base32(char *out, size_t chars, const uint8_t *bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 §6 */

	for (size_t i = 0; i < chars; i++) {
		size_t bit = i * 5, at = bit / 8, shift = bit % 8;
		unsigned two = (unsigned)bytes[at] << 8 | (shift > 3 ? bytes[at + 1] : 0);

		out[i] = digits[two >> (11 - shift) & 31];
	}
	out[chars] = 0;
}

void totp_secret_make(char out[TOTP_SECRET_LEN + 1])
{
	uint8_t bytes[BYTES];

	random_bytes(bytes, sizeof(bytes));
	base32(out, TOTP_SECRET_LEN, bytes);
	explicit_bzero(bytes, sizeof(bytes));
}

static bool six_digits(const char *s)
{
	return strlen(s) == TOTP_DIGITS && strspn(s, "0123456789") == TOTP_DIGITS;
}

int64_t totp_step(const char *secret, time_t now, const char *code)
{
	char *key = NULL;
	size_t n = 0;
	uint64_t counter = 0;
	int r;

	if (!six_digits(code) || oath_base32_decode(secret, strlen(secret), &key, &n) != OATH_OK)
		return -1;
	r = oath_totp_validate4(key, n, now, STEP_S, OATH_TOTP_DEFAULT_START_TIME, 1, NULL,
				&counter, 0, code);
	explicit_bzero(key, n);
	free(key);
	return r < 0 ? -1 : (int64_t)counter;
}

static size_t percent(char *out, size_t n, const char *s)
{
	size_t len = 0;

	for (; *s && len + 4 < n; s++)
		len += (size_t)snprintf(out + len, n - len,
					isalnum((unsigned char)*s) || strchr("-._~", *s) ? "%c"
											 : "%%%02X",
					(unsigned char)*s);
	return len;
}

void totp_uri(const char *secret, const char *issuer, const char *account, char out[TOTP_URI_MAX])
{
	char who[128] = "", what[64] = "";

	percent(who, sizeof(who), account);
	percent(what, sizeof(what), issuer);
	snprintf(out, TOTP_URI_MAX, "otpauth://totp/%s:%s?secret=%s&issuer=%s&digits=%d&period=%d",
		 what, who, secret, what, TOTP_DIGITS, STEP_S);
}

bool totp_split(const char *typed, char *password, size_t n, char code[TOTP_DIGITS + 1])
{
	size_t len = strlen(typed), keep = len - TOTP_DIGITS;

	if (len <= TOTP_DIGITS || keep >= n || !six_digits(typed + keep))
		return false;
	memcpy(password, typed, keep);
	password[keep] = 0;
	memcpy(code, typed + keep, TOTP_DIGITS + 1);
	return true;
}

void recovery_make(char out[RECOVERY_LEN + 1])
{
	uint8_t bytes[10];
	char plain[17];

	random_bytes(bytes, sizeof(bytes));
	base32(plain, 16, bytes);
	for (char *c = plain; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	snprintf(out, RECOVERY_LEN + 1, "%.4s-%.4s-%.4s-%.4s", plain, plain + 4, plain + 8,
		 plain + 12);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(plain, sizeof(plain));
}

bool recovery_normal(const char *typed, char out[RECOVERY_LEN + 1])
{
	size_t n = 0;

	for (; *typed; typed++) {
		if (*typed == '-' || *typed == ' ')
			continue;
		if (n == 16 ||
		    !(isalpha((unsigned char)*typed) || (*typed >= '2' && *typed <= '7')))
			return false;
		out[n++] = (char)tolower((unsigned char)*typed);
	}
	out[n] = 0;
	return n == 16;
}
