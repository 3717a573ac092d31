/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See trust.h. A pinned certificate is its own trust anchor: the HTTP client accepts exactly a
 * chain that ends in it, and checks it for a name that it bears, so the address may change while
 * the server stays the same one.
 */
#include "clients/cli/trust.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "common/file.h"

int trust_address(const char *server, char out[256], struct err *e)
{
	const char *host = server + 8;
	size_t n;

	if (strncmp(server, "https://", 8) != 0)
		return err_set(e, -EINVAL,
			       "the server must be given as https://host:port, not '%s'", server);
	n = strlen(host);
	if (n == 0 || n > 200 || host[strcspn(host, "/?#@ ")])
		return err_set(e, -EINVAL,
			       "the server must be given as https://host:port, not '%s'", server);
	snprintf(out, 256, "%s%s", host, strrchr(host, ':') > strrchr(host, ']') ? "" : ":443");
	return 0;
}

static void name_of(X509 *x, char *out, size_t n)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	out[0] = 0;
	for (int i = 0; names && !out[0] && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS &&
		    !strchr((const char *)ASN1_STRING_get0_data(g->d.dNSName), '*'))
			snprintf(out, n, "%s", (const char *)ASN1_STRING_get0_data(g->d.dNSName));
		else if (g->type == GEN_IPADD && ASN1_STRING_length(g->d.iPAddress) == 4)
			inet_ntop(AF_INET, ASN1_STRING_get0_data(g->d.iPAddress), out,
				  (socklen_t)n);
	}
	GENERAL_NAMES_free(names);
	if (!out[0])
		X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, (int)n);
	if (out[strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
		out[0] = 0;
}

static int describe(X509 *x, struct trust_cert *c, struct err *e)
{
	uint8_t h[EVP_MAX_MD_SIZE];
	BIO *b = BIO_new(BIO_s_mem());
	unsigned len = 0;
	char *text;
	long n;

	if (b && PEM_write_bio_X509(b, x) && X509_digest(x, EVP_sha256(), h, &len)) {
		n = BIO_get_mem_data(b, &text);
		c->pem = strndup(text, (size_t)n);
	}
	BIO_free(b);
	if (!c->pem)
		return err_set(e, -EIO, "cannot read the server's certificate");
	for (unsigned i = 0; i < len; i++)
		snprintf(c->fingerprint + 3 * i, sizeof(c->fingerprint) - 3 * i, "%02X%s", h[i],
			 i + 1 < len ? ":" : "");
	name_of(x, c->name, sizeof(c->name));
	return 0;
}

int trust_fetch(const char *server, struct trust_cert *c, struct err *e)
{
	SSL_CTX *ctx = NULL;
	BIO *bio = NULL;
	SSL *ssl = NULL;
	X509 *x = NULL;
	char address[256];
	int r;

	*c = (struct trust_cert){0};
	if ((r = trust_address(server, address, e)) < 0)
		return r;
	ctx = SSL_CTX_new(TLS_client_method());
	bio = ctx ? BIO_new_ssl_connect(ctx) : NULL;
	if (bio) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
		BIO_get_ssl(bio, &ssl);
		BIO_set_conn_hostname(bio, address);
		if (BIO_do_handshake(bio) == 1)
			x = SSL_get1_peer_certificate(ssl);
	}
	r = x ? describe(x, c, e)
	      : err_set(e, -ECONNREFUSED,
			"cannot reach %s: check the address, and that the gateway runs", server);
	X509_free(x);
	BIO_free_all(bio);
	SSL_CTX_free(ctx);
	return r;
}

bool trust_same(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == ':' || *a == ' ')
			a++;
		while (*b == ':' || *b == ' ')
			b++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
	}
}

int trust_pin(struct cli_session *s, const struct trust_cert *c, struct err *e)
{
	int r = cli_session_path(s->ca, "server.pem", e);

	if (r == 0)
		r = file_write(s->ca, c->pem, strlen(c->pem), 0600, e);
	if (r == 0)
		snprintf(s->verify_name, sizeof(s->verify_name), "%s", c->name);
	return r;
}
