/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signed tokens: which signatures and claims are taken. Keys are made by OpenSSL here; what a real
 * provider's tokens go through is tests/broker/oidc_test.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/jwt.h"
#include "common/json.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

static void member(json_t *jwk, const char *name, EVP_PKEY *key, const char *param, int n)
{
	BIGNUM *b = NULL;
	uint8_t bytes[512];
	char text[700];

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &b), 1);
	n = n ? n : BN_num_bytes(b);
	assert_int_equal(BN_bn2binpad(b, bytes, n), n);
	base64url_encode(text, bytes, (size_t)n);
	json_object_set_new(jwk, name, json_string(text));
	BN_free(b);
}

static json_t *set_of(EVP_PKEY *key, bool ec)
{
	json_t *jwk = json_pack("{s:s, s:s}", "kid", "k", "kty", ec ? "EC" : "RSA");

	if (ec) {
		json_object_set_new(jwk, "crv", json_string("P-256"));
		member(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
		member(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	} else {
		member(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
		member(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
	}
	return json_pack("{s:[o]}", "keys", jwk);
}

/* A token of these texts; raw r and s for EC. */
static void make(char *out, const char *header, const char *claims, EVP_PKEY *key, bool ec)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[1024], raw[64];
	size_t n = base64url_encode(out, header, strlen(header)), len = sizeof(sig);
	const uint8_t *der = sig;

	out[n++] = '.';
	n += base64url_encode(out + n, claims, strlen(claims));
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (uint8_t *)out, n), 1);
	EVP_MD_CTX_free(ctx);
	if (ec) {
		ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);

		BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, 32);
		BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + 32, 32);
		ECDSA_SIG_free(s);
		memcpy(sig, raw, len = sizeof(raw));
	}
	out[n++] = '.';
	base64url_encode(out + n, sig, len);
}

static int verify(const char *token, json_t *jwks)
{
	cleanup_json json_t *claims = NULL;
	struct err e = {0};

	return jwt_verify(token, jwks, &claims, &e);
}

static void both_kinds(bool ec)
{
	EVP_PKEY *key = ec ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	EVP_PKEY *other = ec ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	cleanup_json json_t *jwks = set_of(key, ec), *strange = set_of(other, ec);
	char t[4096], *payload;
	size_t n;

	make(t, ec ? "{\"alg\":\"ES256\",\"kid\":\"k\"}" : "{\"alg\":\"RS256\",\"kid\":\"k\"}",
	     "{\"sub\":\"x\"}", key, ec);
	assert_int_equal(verify(t, jwks), 0);
	assert_int_equal(verify(t, strange), -EACCES);
	payload = strchr(t, '.') + 3;
	*payload ^= 1;
	assert_int_equal(verify(t, jwks), -EACCES);
	*payload ^= 1;
	n = strlen(t);
	snprintf(t + n, sizeof(t) - n, "AA");
	assert_int_equal(verify(t, jwks), -EACCES);
	make(t, ec ? "{\"alg\":\"RS256\",\"kid\":\"k\"}" : "{\"alg\":\"ES256\",\"kid\":\"k\"}",
	     "{}", key, ec);
	assert_int_equal(verify(t, jwks), -ENOKEY);
	make(t, ec ? "{\"alg\":\"ES256\",\"kid\":\"j\"}" : "{\"alg\":\"RS256\",\"kid\":\"j\"}",
	     "{}", key, ec);
	assert_int_equal(verify(t, jwks), -ENOKEY);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void rs256_is_taken_and_nothing_else_of_it(void **state)
{
	(void)state;
	both_kinds(false);
}

static void es256_is_taken_and_nothing_else_of_it(void **state)
{
	(void)state;
	both_kinds(true);
}

static void none_and_hmac_are_no_signatures(void **state)
{
	static const char *const headers[] = {"{\"alg\":\"none\"}",
					      "{\"alg\":\"HS256\"}",
					      "{}",
					      "[]",
					      "{\"alg\":7}",
					      "{\"alg\":\"ES256\",\"crit\":[\"b64\"]}"};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	cleanup_json json_t *jwks = set_of(key, true);
	char t[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		make(t, headers[i], "{}", key, true);
		assert_int_equal(verify(t, jwks), -EACCES);
		strrchr(t, '.')[1] = 0;
		assert_int_equal(verify(t, jwks), -EACCES);
	}
	assert_int_equal(verify("", jwks), -EACCES);
	assert_int_equal(verify("a.b", jwks), -EACCES);
	assert_int_equal(verify("a.b.c.d", jwks), -EACCES);
	EVP_PKEY_free(key);
}

static void short_rsa_keys_are_none(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(1024);
	cleanup_json json_t *jwks = set_of(key, false);
	char t[4096];

	(void)state;
	make(t, "{\"alg\":\"RS256\"}", "{}", key, false);
	assert_int_equal(verify(t, jwks), -EACCES);
	EVP_PKEY_free(key);
}

static int checked(const char *claims)
{
	cleanup_json json_t *o = json_loads(claims, 0, NULL);
	struct jwt_expect x = {"https://i", "pane", "n", 1000000};
	struct err e = {0};

	assert_non_null(o);
	return jwt_check(o, &x, &e);
}

static void claims_must_be_for_this_login_now(void **state)
{
	(void)state;
#define C(aud, iat, exp, nonce)                                                                    \
	"{\"iss\":\"https://i\",\"aud\":" aud ",\"iat\":" iat ",\"exp\":" exp ",\"nonce\":" nonce  \
	"}"
	assert_int_equal(checked(C("\"pane\"", "999990", "1000300", "\"n\"")), 0);
	assert_int_equal(checked(C("[\"pane\"]", "999990", "1000300", "\"n\"")), 0);
	assert_int_equal(checked(C("\"pane\"", "1000059", "999941", "\"n\"")),
			 0); /* clocks differ */
	assert_int_equal(checked(C("\"pane\"", "1000061", "1000300", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("\"pane\"", "999990", "999940", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("\"pane\"", "999990", "\"x\"", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("\"pan\"", "999990", "1000300", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("[\"pane\",\"x\"]", "999990", "1000300", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("[]", "999990", "1000300", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("7", "999990", "1000300", "\"n\"")), -EACCES);
	assert_int_equal(checked(C("\"pane\"", "999990", "1000300", "\"m\"")), -EACCES);
	assert_int_equal(checked(C("\"pane\"", "999990", "1000300", "null")), -EACCES);
	assert_int_equal(checked("{}"), -EACCES);
#undef C
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rs256_is_taken_and_nothing_else_of_it),
		cmocka_unit_test(es256_is_taken_and_nothing_else_of_it),
		cmocka_unit_test(none_and_hmac_are_no_signatures),
		cmocka_unit_test(short_rsa_keys_are_none),
		cmocka_unit_test(claims_must_be_for_this_login_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
