/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * X.509 by OpenSSL. A request proves possession of its key (self-signature) and brings nothing
 * else: subject and extensions are ours. Keys: EC P-256/P-384, Ed25519, RSA of 2048 bits or more.
 */
#include "broker/pki.h"
#include "common/file.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define PEM_MAX	   65536
#define BACKDATE_S 7200 /* a machine whose clock is an hour behind takes a new certificate, too */

struct broker_ca {
	X509 *cert;
	EVP_PKEY *key;
	char *pem;
};

static void free_x509(X509 **p)
{
	X509_free(*p);
}
static void free_csr(X509_REQ **p)
{
	X509_REQ_free(*p);
}
static void free_bio(BIO **p)
{
	BIO_free(*p);
}
#define cleanup_x509 __attribute__((cleanup(free_x509)))
#define cleanup_csr  __attribute__((cleanup(free_csr)))
#define cleanup_bio  __attribute__((cleanup(free_bio)))

void broker_ca_free(struct broker_ca *ca)
{
	if (!ca)
		return;
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	free(ca->pem);
	free(ca);
}

const char *broker_ca_pem(const struct broker_ca *ca)
{
	return ca->pem;
}

static int ca_fill(struct broker_ca *ca, const char *cert_path, const char *key_path, struct err *e)
{
	cleanup_free char *key = NULL;
	cleanup_bio BIO *cb = NULL, *kb = NULL;
	size_t n, kn;

	if (file_read(cert_path, PEM_MAX, &ca->pem, &n, e) ||
	    file_read(key_path, PEM_MAX, &key, &kn, e))
		return e && e->code ? e->code : -EIO;
	cb = BIO_new_mem_buf(ca->pem, (int)n);
	kb = BIO_new_mem_buf(key, (int)kn);
	ca->cert = cb ? PEM_read_bio_X509(cb, NULL, NULL, NULL) : NULL;
	ca->key = kb ? PEM_read_bio_PrivateKey(kb, NULL, NULL, NULL) : NULL;
	explicit_bzero(key, kn);
	if (!ca->cert)
		return err_set(e, -EINVAL, "%s holds no certificate", cert_path);
	if (!ca->key)
		return err_set(e, -EINVAL, "%s holds no private key", key_path);
	if (X509_check_private_key(ca->cert, ca->key) != 1)
		return err_set(e, -EINVAL, "%s is not the key of %s", key_path, cert_path);
	return 0;
}

struct broker_ca *broker_ca_load(const char *cert_path, const char *key_path, struct err *e)
{
	struct broker_ca *ca = calloc(1, sizeof(*ca));

	if (!ca || ca_fill(ca, cert_path, key_path, e)) {
		broker_ca_free(ca);
		return NULL;
	}
	return ca;
}

static int key_ok(EVP_PKEY *key, struct err *e)
{
	int type = key ? EVP_PKEY_get_base_id(key) : 0, bits = key ? EVP_PKEY_get_bits(key) : 0;

	if ((type == EVP_PKEY_EC && bits >= 256) || type == EVP_PKEY_ED25519 ||
	    (type == EVP_PKEY_RSA && bits >= 2048 && bits <= 8192))
		return 0;
	return err_set(
		e, -EINVAL,
		"The key in the certificate request is too weak or of an unknown kind; use EC "
		"P-256.");
}

static int set_subject(X509 *x, const char *host_id)
{
	X509_NAME *n = X509_get_subject_name(x);
	static const unsigned char org[] = "Pane", unit[] = "host";

	return X509_NAME_add_entry_by_txt(n, "O", MBSTRING_UTF8, org, -1, -1, 0) == 1 &&
			       X509_NAME_add_entry_by_txt(n, "OU", MBSTRING_UTF8, unit, -1, -1,
							  0) == 1 &&
			       X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
							  (const unsigned char *)host_id, -1, -1,
							  0) == 1
		       ? 0
		       : -ENOMEM;
}

static int set_serial(X509 *x, char serial[48])
{
	unsigned char raw[16];
	BIGNUM *bn;
	char *hex;

	random_bytes(raw, sizeof(raw));
	raw[0] &= 0x7f; /* RFC 5280 §4.1.2.2: positive */
	raw[0] |= 0x40;
	bn = BN_bin2bn(raw, sizeof(raw), NULL);
	hex = bn ? BN_bn2hex(bn) : NULL;
	if (!hex || !BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x))) {
		BN_free(bn);
		OPENSSL_free(hex);
		return -ENOMEM;
	}
	snprintf(serial, 48, "%s", hex);
	BN_free(bn);
	OPENSSL_free(hex);
	return 0;
}

static int add_extensions(X509 *x, X509 *issuer)
{
	static const struct {
		int nid;
		const char *value;
	} list[] = {
		{NID_basic_constraints, "critical,CA:FALSE"},
		{NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "serverAuth,clientAuth"},
		{NID_subject_key_identifier, "hash"},
		{NID_authority_key_identifier, "keyid"},
	};
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, list[i].nid, list[i].value);
		int ok = ext ? X509_add_ext(x, ext, -1) : 0;

		X509_EXTENSION_free(ext);
		if (!ok)
			return -ENOMEM;
	}
	return 0;
}

static int to_pem(X509 *x, char **out)
{
	cleanup_bio BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (!b || !PEM_write_bio_X509(b, x))
		return -ENOMEM;
	n = BIO_get_mem_data(b, &p);
	*out = strndup(p, (size_t)n);
	return *out ? 0 : -ENOMEM;
}

int broker_ca_sign_host(const struct broker_ca *ca, const char *csr_pem, const char *host_id,
			int days, char **cert, char serial[48], struct err *e)
{
	cleanup_bio BIO *in = BIO_new_mem_buf(csr_pem, -1);
	cleanup_csr X509_REQ *csr = in ? PEM_read_bio_X509_REQ(in, NULL, NULL, NULL) : NULL;
	cleanup_x509 X509 *x = NULL;
	EVP_PKEY *key = csr ? X509_REQ_get0_pubkey(csr) : NULL;
	const EVP_MD *md = EVP_PKEY_get_base_id(ca->key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();

	if (!csr)
		return err_set(e, -EINVAL, "\"csr\" must be a certificate request in PEM form.");
	if (key_ok(key, e))
		return -EINVAL;
	if (X509_REQ_verify(csr, key) != 1)
		return err_set(e, -EINVAL, "The certificate request is not signed by its own key.");
	x = X509_new();
	if (!x || X509_set_version(x, 2) != 1 || set_serial(x, serial) || set_subject(x, host_id) ||
	    X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(x), -BACKDATE_S) ||
	    !X509_time_adj_ex(X509_getm_notAfter(x), days, 0, NULL) ||
	    X509_set_pubkey(x, key) != 1 || add_extensions(x, ca->cert) ||
	    !X509_sign(x, ca->key, md) || to_pem(x, cert))
		return err_set(e, -EIO, "The broker cannot sign the certificate.");
	return 0;
}
