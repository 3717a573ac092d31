/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See jwt.h. Everything in a token is hostile until its signature is checked.
 */
#include "broker/jwt.h"
#include "common/json.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define PART_MAX      24576
#define SIGNATURE_MAX 1024
#define RSA_BITS_MIN  2048 /* RFC 7518 3.3 */
#define RSA_BITS_MAX  8192
#define P256_BYTES    32

/* ---- keys ---- */

struct octets {
	uint8_t bytes[RSA_BITS_MAX / 8];
	int n;
};

/* A base64url member of a key. */
static int member(json_t *jwk, const char *name, struct octets *o)
{
	const char *s = json_string_value(json_object_get(jwk, name));

	o->n = s ? base64url_decode(o->bytes, sizeof(o->bytes), s, strlen(s)) : -EINVAL;
	return o->n > 0 ? 0 : -EINVAL;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)!EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* RFC 7518 6.3.1 */
static EVP_PKEY *rsa_key(json_t *jwk)
{
	struct octets n, e;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn = NULL, *be = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (bld && !member(jwk, "n", &n) && !member(jwk, "e", &e)) {
		bn = BN_bin2bn(n.bytes, n.n, NULL);
		be = BN_bin2bn(e.bytes, e.n, NULL);
	}
	if (bn && be && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params && BN_num_bits(bn) >= RSA_BITS_MIN)
		key = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return key;
}

/* RFC 7518 6.2.1: P-256 only, as ES256 says */
static EVP_PKEY *ec_key(json_t *jwk)
{
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
	char group[] = "P-256";
	struct octets x, y;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end()};

	if (!crv || strcmp(crv, group) || member(jwk, "x", &x) || member(jwk, "y", &y) ||
	    x.n != P256_BYTES || y.n != P256_BYTES)
		return NULL;
	memcpy(point + 1, x.bytes, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, y.bytes, P256_BYTES);
	return from_params("EC", params);
}

static bool is(json_t *o, const char *name, const char *value)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && !strcmp(s, value);
}

/* Of a use, where the key names one, and of the algorithm. */
static bool usable(json_t *jwk, const char *kty, const char *alg)
{
	return is(jwk, "kty", kty) && (!json_object_get(jwk, "use") || is(jwk, "use", "sig")) &&
	       (!json_object_get(jwk, "alg") || is(jwk, "alg", alg));
}

/* ---- signatures ---- */

/* r and s side by side (RFC 7518 3.4) as OpenSSL reads them. */
static int der_of(const uint8_t *sig, size_t n, uint8_t **der)
{
	ECDSA_SIG *s = n == 2 * P256_BYTES ? ECDSA_SIG_new() : NULL;
	BIGNUM *a = s ? BN_bin2bn(sig, P256_BYTES, NULL) : NULL;
	BIGNUM *b = s ? BN_bin2bn(sig + P256_BYTES, P256_BYTES, NULL) : NULL;
	int len = -1;

	*der = NULL;
	if (a && b && ECDSA_SIG_set0(s, a, b)) {
		a = b = NULL; /* the signature's now */
		len = i2d_ECDSA_SIG(s, der);
	}
	BN_free(a);
	BN_free(b);
	ECDSA_SIG_free(s);
	return len;
}

static bool signed_by(EVP_PKEY *key, const uint8_t *sig, size_t n, const char *text, size_t n_text)
{
	EVP_MD_CTX *ctx = key ? EVP_MD_CTX_new() : NULL;
	bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, sig, n, (const uint8_t *)text, n_text) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool signature_of(json_t *jwk, bool ec, const uint8_t *sig, int n, const char *text,
			 size_t n_text)
{
	EVP_PKEY *key = ec ? ec_key(jwk) : rsa_key(jwk);
	uint8_t *der = NULL;
	int len = ec ? der_of(sig, (size_t)n, &der) : n;
	bool ok = len > 0 && signed_by(key, ec ? der : sig, (size_t)len, text, n_text);

	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return ok;
}

/* ---- tokens ---- */

struct parts {
	const char *payload, *signature; /* where they begin, behind the first and second dot */
	size_t n_header, n_payload, n_signature;
};

static int split(const char *token, struct parts *p)
{
	const char *one = strchr(token, '.'), *two = one ? strchr(one + 1, '.') : NULL;

	if (!two || strchr(two + 1, '.') || strlen(token) > JWT_MAX)
		return -EINVAL;
	*p = (struct parts){.payload = one + 1,
			    .signature = two + 1,
			    .n_header = (size_t)(one - token),
			    .n_payload = (size_t)(two - one - 1),
			    .n_signature = strlen(two + 1)};
	return 0;
}

static json_t *object_of(const char *s, size_t n)
{
	cleanup_free uint8_t *bytes = malloc(PART_MAX);
	int len = bytes ? base64url_decode(bytes, PART_MAX, s, n) : -1;
	json_t *o = len > 0 ? json_loadb((char *)bytes, (size_t)len, JSON_REJECT_DUPLICATES, NULL)
			    : NULL;

	if (o && !json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* The algorithm, RS256 or ES256; -EACCES for every other. */
static int algorithm(json_t *header, bool *ec, struct err *e)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));

	*ec = alg && !strcmp(alg, "ES256");
	if (!alg || (!*ec && strcmp(alg, "RS256")))
		return err_set(e, -EACCES, "the token is signed by %.20s, not RS256 or ES256",
			       alg ? alg : "nothing");
	if (json_object_get(header, "crit")) /* RFC 7515 4.1.11 */
		return err_set(e, -EACCES, "the token has critical headers");
	return 0;
}

static int find_signer(const char *token, const struct parts *p, json_t *header, json_t *jwks,
		       struct err *e)
{
	json_t *keys = json_object_get(jwks, "keys"), *jwk;
	const char *kid = json_string_value(json_object_get(header, "kid"));
	uint8_t sig[SIGNATURE_MAX];
	int n = base64url_decode(sig, sizeof(sig), p->signature, p->n_signature), tried = 0;
	size_t i, n_text = p->n_header + 1 + p->n_payload;
	bool ec;

	if (algorithm(header, &ec, e))
		return -EACCES;
	if (n <= 0)
		return err_set(e, -EACCES, "the token's signature is none");
	json_array_foreach(keys, i, jwk)
	{
		if (!usable(jwk, ec ? "EC" : "RSA", ec ? "ES256" : "RS256") ||
		    (kid && !is(jwk, "kid", kid)))
			continue;
		if (signature_of(jwk, ec, sig, n, token, n_text))
			return 0;
		tried++;
	}
	if (!tried)
		return err_set(e, -ENOKEY, "the provider has no key %.60s", kid ? kid : "for it");
	return err_set(e, -EACCES, "the token's signature is wrong");
}

int jwt_verify(const char *token, json_t *jwks, json_t **claims, struct err *e)
{
	cleanup_json json_t *header = NULL;
	struct parts p;
	int r;

	*claims = NULL;
	if (split(token, &p) || !(header = object_of(token, p.n_header)))
		return err_set(e, -EACCES, "the provider's token is no signed token");
	r = find_signer(token, &p, header, jwks, e);
	if (r)
		return r;
	*claims = object_of(p.payload, p.n_payload);
	return *claims ? 0 : err_set(e, -EACCES, "the token's claims are no object");
}

/* "aud" is a text or a list of them. */
static bool for_us(json_t *aud, const char *client, size_t *n)
{
	json_t *v;
	size_t i;

	*n = json_is_array(aud) ? json_array_size(aud) : 1;
	if (json_is_string(aud))
		return !strcmp(json_string_value(aud), client);
	json_array_foreach(aud, i, v) if (json_is_string(v) &&
					  !strcmp(json_string_value(v), client)) return true;
	return false;
}

int jwt_check(json_t *claims, const struct jwt_expect *x, struct err *e)
{
	json_t *exp = json_object_get(claims, "exp"), *iat = json_object_get(claims, "iat"),
	       *nbf = json_object_get(claims, "nbf"), *azp = json_object_get(claims, "azp");
	const char *nonce = json_string_value(json_object_get(claims, "nonce"));
	double now = (double)x->now;
	size_t n;

	if (!is(claims, "iss", x->issuer))
		return err_set(e, -EACCES, "the token is of another issuer");
	if (!for_us(json_object_get(claims, "aud"), x->audience, &n))
		return err_set(e, -EACCES, "the token is for another audience");
	if ((azp && !is(claims, "azp", x->audience)) || (n > 1 && !azp))
		return err_set(e, -EACCES, "the token was given to another party");
	if (!json_is_number(exp) || json_number_value(exp) + JWT_SKEW_S <= now)
		return err_set(e, -EACCES, "the token has expired");
	if (!json_is_number(iat) || json_number_value(iat) - JWT_SKEW_S > now ||
	    (nbf && (!json_is_number(nbf) || json_number_value(nbf) - JWT_SKEW_S > now)))
		return err_set(e, -EACCES, "the token is of the future; are the clocks right?");
	if (!nonce || strlen(nonce) != strlen(x->nonce) ||
	    CRYPTO_memcmp(nonce, x->nonce, strlen(nonce)))
		return err_set(e, -EACCES, "the token is of another login (nonce)");
	return 0;
}
