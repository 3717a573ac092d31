/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys elsewhere; see remote_key.h. EC_KEY_METHOD and RSA_METHOD: deprecated in OpenSSL 3 in favour
 * of providers, yet they do in fifty lines what a provider does in a thousand, and OpenSSL keeps
 * them for the same use (keys in hardware). A key with a foreign method is never exported to a
 * provider, so nothing can sign behind our back. A worker has one keeper socket for all its keys.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "gateway/remote_key.h"
#include "common/tls.h"
#include "gateway/keeper.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

static int keeper_sock = -1; /* borrowed: the worker's */
static EC_KEY_METHOD *ec_method;
static RSA_METHOD *rsa_method;
static int ec_slot, rsa_slot; /* where a key keeps its id */

static int ask(enum gw_keeper_op op, int arg, const uint8_t *id, const void *p, int n, uint8_t *out,
	       size_t size)
{
	struct gw_keeper_ask q = {.op = op, .arg = (uint32_t)arg, .len = (uint32_t)n};
	struct err e = {0};
	size_t len;

	if (!id || n < 0 || n > GW_SIGN_MAX)
		return -1;
	memcpy(q.key, id, GW_KEY_ID);
	memcpy(q.data, p, (size_t)n);
	return gw_keeper_call(keeper_sock, &q, out, size, &len, &e) ? -1 : (int)len;
}

static int ec_sign(int type, const unsigned char *dgst, int n, unsigned char *sig, unsigned *len,
		   const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	int got = ask(GW_KEEPER_ECDSA, 0, EC_KEY_get_ex_data(key, ec_slot), dgst, n, sig,
		      (size_t)ECDSA_size(key));

	(void)type, (void)kinv, (void)r;
	*len = got > 0 ? (unsigned)got : 0;
	return got > 0;
}

static int rsa_sign(int n, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
	return ask(GW_KEEPER_RSA, padding, RSA_get_ex_data(key, rsa_slot), from, n, to,
		   (size_t)RSA_size(key));
}

static void free_id(void *parent, void *p, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	OPENSSL_free(p);
}

static int copy_id(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **p, int idx, long argl,
		   void *argp)
{
	(void)to, (void)from, (void)idx, (void)argl, (void)argp;
	*p = OPENSSL_memdup(*p, GW_KEY_ID);
	return *p != NULL;
}

static int make_methods(void)
{
	int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);

	if (ec_method)
		return 0;
	ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	if (!ec_method || !rsa_method)
		return -ENOMEM;
	EC_KEY_METHOD_get_sign(ec_method, NULL, &setup, NULL);
	EC_KEY_METHOD_set_sign(ec_method, ec_sign, setup, NULL);
	RSA_meth_set_priv_enc(rsa_method, rsa_sign);
	ec_slot = EC_KEY_get_ex_new_index(0, NULL, NULL, copy_id, free_id);
	rsa_slot = RSA_get_ex_new_index(0, NULL, NULL, copy_id, free_id);
	return ec_slot < 0 || rsa_slot < 0 ? -ENOMEM : 0;
}

static int take_ec(EVP_PKEY *out, const EVP_PKEY *pub, uint8_t *id)
{
	const EC_KEY *from = EVP_PKEY_get0_EC_KEY((EVP_PKEY *)(uintptr_t)pub);
	EC_KEY *k = from ? EC_KEY_dup(from) : NULL;

	if (k && EC_KEY_set_method(k, ec_method) == 1 && EVP_PKEY_assign_EC_KEY(out, k) == 1)
		return EC_KEY_set_ex_data(k, ec_slot, id) == 1 ? 0 : -EINVAL;
	EC_KEY_free(k);
	return -EINVAL;
}

static int take_rsa(EVP_PKEY *out, const EVP_PKEY *pub, uint8_t *id)
{
	const RSA *from = EVP_PKEY_get0_RSA((EVP_PKEY *)(uintptr_t)pub);
	RSA *k = from ? RSAPublicKey_dup(from) : NULL;

	if (k && RSA_set_method(k, rsa_method) == 1 && EVP_PKEY_assign_RSA(out, k) == 1)
		return RSA_set_ex_data(k, rsa_slot, id) == 1 ? 0 : -EINVAL;
	RSA_free(k);
	return -EINVAL;
}

static int wrap(EVP_PKEY *out, EVP_PKEY *pub, struct err *e)
{
	uint8_t *id = OPENSSL_malloc(GW_KEY_ID), none[1];
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pub, &der), r = -ENOMEM;

	if (id && n > 0 && EVP_Digest(der, (size_t)n, id, NULL, EVP_sha256(), NULL) == 1) {
		if (ask(GW_KEEPER_HAVE, 0, id, "", 0, none, 0) < 0)
			r = err_set(e, -ENOENT, "a key does not belong to its certificate");
		else if (EVP_PKEY_is_a(pub, "EC"))
			r = take_ec(out, pub, id);
		else if (EVP_PKEY_is_a(pub, "RSA"))
			r = take_rsa(out, pub, id);
		else
			r = err_set(e, -ENOTSUP, "a certificate's key is neither ECDSA nor RSA");
	}
	OPENSSL_free(der);
	if (r)
		OPENSSL_free(id);
	return r;
}

EVP_PKEY *gw_remote_key(const char *cert_pem, int sock, struct err *e)
{
	X509 *x = tls_first_certificate(cert_pem);
	EVP_PKEY *pub = x ? X509_get0_pubkey(x) : NULL, *out = EVP_PKEY_new();
	int r = !pub ? err_set(e, -EINVAL, "a certificate cannot be read") : make_methods();

	keeper_sock = sock;
	if (!r)
		r = out ? wrap(out, pub, e) : -ENOMEM;
	X509_free(x);
	if (!r)
		return out;
	EVP_PKEY_free(out);
	return NULL;
}
