/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-host enroll (docs/contracts.md, "Host agent <-> broker"). The new key lies in a file of its
 * own until the answer has been checked against it, so a failed attempt leaves an existing identity
 * whole. Runs in the command's own process; the agent only calls host_identity_load().
 */
#include "vmm/host/enroll.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

static void cleanup_x509(X509 **x)
{
	X509_free(*x);
}

static void cleanup_req(X509_REQ **x)
{
	X509_REQ_free(*x);
}

static void cleanup_bio(BIO **b)
{
	BIO_free(*b);
}

static void cleanup_key(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static int openssl_error(struct err *e, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	return err_set(e, -EIO, "%s: %s", what, text);
}

int host_identity_paths(const struct host_config *c, struct host_identity *id)
{
	int r;

	*id = (struct host_identity){0};
	if ((r = host_config_path(c, id->cert, "identity", "host.crt")) < 0 ||
	    (r = host_config_path(c, id->key, "identity", "host.key")) < 0 ||
	    (r = host_config_path(c, id->ca, "identity", "ca.crt")) < 0)
		return r;
	return host_config_path(c, id->grant_pub, "identity", "grant.pub");
}

static X509 *cert_parse(const char *pem)
{
	__attribute__((cleanup(cleanup_bio))) BIO *b = BIO_new_mem_buf(pem, -1);

	return b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
}

static int cert_id(X509 *x, char id[HOST_UUID], struct err *e)
{
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	if (strlen(cn) != 36 || !host_uuid_ok(cn))
		return err_set(e, -EPROTO, "the certificate's name is not a host id");
	memcpy(id, cn, HOST_UUID);
	return 0;
}

int host_identity_load(const struct host_config *c, struct host_identity *id, struct err *e)
{
	__attribute__((cleanup(cleanup_x509))) X509 *x = NULL;
	cleanup_free char *pem = NULL;
	size_t len;
	int r = host_identity_paths(c, id);

	if (r < 0)
		return err_set(e, r, "state_dir is too long");
	r = file_read(id->cert, 65536, &pem, &len, e);
	if (r == -ENOENT)
		return err_set(e, r,
			       "this host is not enrolled (%s is missing): make a token with `pane "
			       "hosts create NAME`, then run pane-host enroll",
			       id->cert);
	if (r < 0)
		return r;
	x = cert_parse(pem);
	if (!x)
		return err_set(e, -EINVAL, "%s is not a certificate: enrol again", id->cert);
	return cert_id(x, id->id, e);
}

int host_csr(EVP_PKEY *key, const char *name, char **pem, struct err *e)
{
	__attribute__((cleanup(cleanup_req))) X509_REQ *req = X509_REQ_new();
	__attribute__((cleanup(cleanup_bio))) BIO *b = BIO_new(BIO_s_mem());
	X509_NAME *subject = X509_NAME_new();
	char *text;
	long n;
	int ok;

	ok = req && b && subject &&
	     X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1,
					0) &&
	     X509_REQ_set_subject_name(req, subject) && X509_REQ_set_pubkey(req, key) &&
	     X509_REQ_sign(req, key, EVP_sha256()) && PEM_write_bio_X509_REQ(b, req);
	X509_NAME_free(subject);
	if (!ok)
		return openssl_error(e, "certificate request");
	n = BIO_get_mem_data(b, &text);
	*pem = strndup(text, (size_t)n);
	return *pem ? 0 : -ENOMEM;
}

static int key_save(EVP_PKEY *key, const char *path, struct err *e)
{
	__attribute__((cleanup(cleanup_bio))) BIO *b = BIO_new(BIO_s_secmem());
	char *text;
	long n;

	if (!b || !PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL))
		return openssl_error(e, "private key");
	n = BIO_get_mem_data(b, &text);
	return file_write(path, text, (size_t)n, 0600, e);
}

static int ask_broker(const struct host_config *c, const char *token, const char *csr,
		      json_t **reply, struct err *e)
{
	struct http_params p = {
		.base = c->broker_url, .ca = c->broker_ca, .verify_name = c->verify_name};
	struct http_client *http = http_new(&p, e);
	json_t *body;
	int r;

	if (!http)
		return e && e->code ? e->code : -ENOMEM;
	body = json_pack("{s:s,s:s,s:s,s:s}", "token", token, "name", c->name, "address",
			 c->advertise, "csr", csr);
	r = body ? http_call(http, "POST", "/api/v1/enroll", body, reply, e) : -ENOMEM;
	json_decref(body);
	http_free(http);
	return r < 0 ? r : 0;
}

static int check_reply(json_t *reply, EVP_PKEY *key, struct host_identity *id, const char *pem[3],
		       struct err *e)
{
	__attribute__((cleanup(cleanup_x509))) X509 *x = NULL;
	__attribute__((cleanup(cleanup_x509))) X509 *ca = NULL;
	__attribute__((cleanup(cleanup_key))) EVP_PKEY *ca_key = NULL;
	const char *host;
	int r;

	if ((r = json_need_str(reply, "host", 36, 36, &host, e)) < 0 ||
	    (r = json_need_str(reply, "cert", 1, 32768, &pem[0], e)) < 0 ||
	    (r = json_need_str(reply, "ca", 1, 32768, &pem[1], e)) < 0 ||
	    (r = json_need_str(reply, "grant_key", 1, 4096, &pem[2], e)) < 0)
		return r;
	x = cert_parse(pem[0]);
	ca = cert_parse(pem[1]);
	ca_key = ca ? X509_get_pubkey(ca) : NULL;
	if (!x || !ca_key)
		return err_set(e, -EPROTO, "the broker's answer holds no certificates");
	if (X509_check_private_key(x, key) != 1)
		return err_set(e, -EPROTO, "the certificate is not for the key of this host");
	if (X509_verify(x, ca_key) != 1)
		return err_set(e, -EPROTO, "the certificate is not signed by the CA beside it");
	if ((r = cert_id(x, id->id, e)) < 0)
		return r;
	if (strcmp(id->id, host) != 0)
		return err_set(e, -EPROTO, "the certificate names another host");
	return 0;
}

static int save_identity(const struct host_identity *id, EVP_PKEY *key, const char *pem[3],
			 struct err *e)
{
	int r;

	/* The certificate last: with it the host counts as enrolled. */
	if ((r = key_save(key, id->key, e)) < 0 ||
	    (r = file_write(id->ca, pem[1], strlen(pem[1]), 0644, e)) < 0 ||
	    (r = file_write(id->grant_pub, pem[2], strlen(pem[2]), 0644, e)) < 0)
		return r;
	return file_write(id->cert, pem[0], strlen(pem[0]), 0644, e);
}

int host_enroll(const struct host_config *c, const char *token, bool force,
		struct host_identity *id, struct err *e)
{
	__attribute__((cleanup(cleanup_key))) EVP_PKEY *key = NULL;
	cleanup_json json_t *reply = NULL;
	cleanup_free char *csr = NULL;
	const char *pem[3];
	char dir[PATH_MAX];
	int r;

	if (!force && host_identity_load(c, id, NULL) == 0)
		return err_set(e, -EEXIST, "already enrolled as %s; --force enrols anew", id->id);
	if ((r = host_identity_paths(c, id)) < 0 ||
	    (r = host_config_path(c, dir, "identity", NULL)) < 0)
		return err_set(e, r, "state_dir is too long");
	/* Before the token is spent: can the result be kept? */
	if ((r = dir_make(dir, 0700, e)) < 0)
		return r;
	if (access(dir, W_OK) < 0)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	key = EVP_EC_gen("P-256");
	if (!key)
		return openssl_error(e, "P-256 key");
	if ((r = host_csr(key, c->name, &csr, e)) < 0 ||
	    (r = ask_broker(c, token, csr, &reply, e)) < 0 ||
	    (r = check_reply(reply, key, id, pem, e)) < 0)
		return r;
	return save_identity(id, key, pem, e);
}
