/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verification of the gateway's certificate; see pin.h. Called from the session thread (RDP leg)
 * and from worker threads (first use). RFC 5280 path validation is OpenSSL's; the name rules are
 * X509_check_host()'s and X509_check_ip_asc()'s.
 */
#include "clients/thin/pin.h"
#include "common/file.h"
#include "common/language.h"
#include "common/sock.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>

#define FETCH_TIMEOUT_MS 10000
#define NAME_BYTES	 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"
#define CHAIN_MAX	 10

static void free_x509(X509 **x)
{
	X509_free(*x);
}
static void free_bio(BIO **b)
{
	BIO_free(*b);
}
static void free_store(X509_STORE **s)
{
	X509_STORE_free(*s);
}
static void free_ctx(X509_STORE_CTX **c)
{
	X509_STORE_CTX_free(*c);
}
static void free_chain(STACK_OF(X509) * *c)
{
	sk_X509_pop_free(*c, X509_free);
}
#define own_x509  __attribute__((cleanup(free_x509)))
#define own_bio	  __attribute__((cleanup(free_bio)))
#define own_store __attribute__((cleanup(free_store)))
#define own_ctx	  __attribute__((cleanup(free_ctx)))
#define own_chain __attribute__((cleanup(free_chain)))

static int untrusted(struct err *e, const char *name, const char *why)
{
	return err_setw(
		e, -EPROTO, "server.untrusted",
		_("%s could not prove its identity: %s. Check the CA file and the address; if "
		  "both are right, somebody may be listening in: ask the helpdesk."),
		name, why);
}

/* The leaf, and the rest of the text into *rest. */
static X509 *read_leaf(const char *pem, size_t len, STACK_OF(X509) * rest)
{
	own_bio BIO *b = BIO_new_mem_buf(pem, (int)len);
	X509 *leaf = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL, *x;

	while (leaf && rest && sk_X509_num(rest) < CHAIN_MAX &&
	       (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (!sk_X509_push(rest, x))
			X509_free(x);
	ERR_clear_error();
	return leaf;
}

static int verify_pinned(const struct thin_site *site, X509 *leaf, struct err *e)
{
	cleanup_free char *text = NULL;
	own_x509 X509 *known = NULL;
	size_t len;

	if (file_read(site->pin, 65536, &text, &len, e))
		return err_prefix(e, _("the remembered certificate"));
	known = read_leaf(text, len, NULL);
	if (!known || X509_cmp(known, leaf))
		return untrusted(e, site->host,
				 _("its certificate is not the one confirmed on first use"));
	return 0;
}

static X509_STORE *trust_store(const struct thin_site *site, struct err *e)
{
	own_store X509_STORE *store = X509_STORE_new();

	if (!store || !(site->ca[0] ? X509_STORE_load_file(store, site->ca)
				    : X509_STORE_set_default_paths(store))) {
		ERR_clear_error();
		err_setw(e, -EPROTO, "ca.unreadable",
			 _("cannot read the CA file %s: give a PEM file with --ca"), site->ca);
		return NULL;
	}
	return steal_ptr(&store);
}

static int verify_chain(const struct thin_site *site, X509 *leaf, STACK_OF(X509) * chain,
			struct err *e)
{
	const char *name = thin_site_name(site);
	own_store X509_STORE *store = trust_store(site, e);
	own_ctx X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;

	if (!store)
		return -EPROTO;
	if (!ctx || !X509_STORE_CTX_init(ctx, store, leaf, chain))
		return err_set(e, -ENOMEM, _("out of memory"));
	param = X509_STORE_CTX_get0_param(ctx);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	if (!X509_VERIFY_PARAM_set1_ip_asc(param, name) &&
	    !X509_VERIFY_PARAM_set1_host(param, name, 0))
		return untrusted(e, name, _("the name cannot be checked"));
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_verify_cert(ctx) != 1) {
		ERR_clear_error();
		return untrusted(e, name,
				 X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	return 0;
}

int thin_pin_verify(const struct thin_site *site, const char *pem, size_t len, struct err *e)
{
	own_chain STACK_OF(X509) *chain = sk_X509_new_null();
	own_x509 X509 *leaf = chain ? read_leaf(pem, len, chain) : NULL;

	if (!leaf)
		return untrusted(e, site->host, _("it showed no readable certificate"));
	if (!site->ca[0] && site->pin[0])
		return verify_pinned(site, leaf, e);
	return verify_chain(site, leaf, chain, e);
}

void thin_pin_info_clear(struct thin_pin_info *i)
{
	free(i->pem);
	memset(i, 0, sizeof(*i));
}

static void print_until(X509 *x, char *out, size_t n)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		strftime(out, n, "%Y-%m-%d", &tm);
}

/* A DNS name or address of the certificate, else its common name. */
static void first_name(X509 *x, char *out, size_t n)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char cn[200];

	for (int i = 0; names && !out[0] && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS)
			snprintf(out, n, "%.*s", ASN1_STRING_length(g->d.dNSName),
				 (const char *)ASN1_STRING_get0_data(g->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	/* A name that could not stand in a URL is of no use to anyone. */
	if (strspn(out, NAME_BYTES) != strlen(out))
		out[0] = '\0';
	if (!out[0] &&
	    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn)) >
		    0 &&
	    strspn(cn, NAME_BYTES) == strlen(cn))
		snprintf(out, n, "%s", cn);
}

static int describe(X509 *x, struct thin_pin_info *out, struct err *e)
{
	own_bio BIO *b = BIO_new(BIO_s_mem());
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	char *p;
	long len;

	memset(out, 0, sizeof(*out));
	if (!b || !X509_digest(x, EVP_sha256(), md, &n) || !PEM_write_bio_X509(b, x))
		return err_set(e, -ENOMEM, _("cannot read the certificate"));
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(out->sha256 + 3 * i, sizeof(out->sha256) - 3 * i,
			 i + 1 < n ? "%02X:" : "%02X", md[i]);
	X509_NAME_oneline(X509_get_subject_name(x), out->subject, sizeof(out->subject));
	print_until(x, out->until, sizeof(out->until));
	first_name(x, out->name, sizeof(out->name));
	len = BIO_get_mem_data(b, &p);
	out->pem = strndup(p, (size_t)len);
	return out->pem ? 0 : err_set(e, -ENOMEM, _("out of memory"));
}

int thin_pin_describe(const char *pem, size_t len, struct thin_pin_info *out, struct err *e)
{
	own_x509 X509 *x = read_leaf(pem, len, NULL);

	return x ? describe(x, out, e) : err_set(e, -EPROTO, _("no certificate in the answer"));
}

bool thin_pin_covers(const char *pem, size_t len, const char *host)
{
	own_x509 X509 *x = read_leaf(pem, len, NULL);

	return x &&
	       (X509_check_host(x, host, 0, 0, NULL) == 1 || X509_check_ip_asc(x, host, 0) == 1);
}

static int wait_for(int fd, bool write)
{
	struct pollfd p = {.fd = fd, .events = write ? POLLOUT : POLLIN};

	return poll(&p, 1, FETCH_TIMEOUT_MS) == 1 ? 0 : -ETIMEDOUT;
}

static int handshake(SSL *ssl, int fd)
{
	for (int turn = 0; turn < 64; turn++) {
		int r = SSL_connect(ssl), err = SSL_get_error(ssl, r);

		if (r == 1)
			return 0;
		if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE)
			return -EPROTO;
		if (wait_for(fd, err == SSL_ERROR_WANT_WRITE))
			return -ETIMEDOUT;
	}
	return -EPROTO;
}

/* Only looks: nothing is ever sent over this connection. */
static int look(int fd, const char *host, struct thin_pin_info *out, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	X509 *x;
	int r = -ENOMEM;

	if (ssl && SSL_set_fd(ssl, fd)) {
		SSL_set_tlsext_host_name(ssl, host);
		r = handshake(ssl, fd);
	}
	x = r ? NULL : SSL_get0_peer_certificate(ssl);
	if (r)
		err_setw(e, r, "server.untrusted", _("%s does not speak TLS. Check the address."),
			 host);
	else
		r = x ? describe(x, out, e) : err_set(e, -EPROTO, _("no certificate was shown"));
	ERR_clear_error();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return r;
}

int thin_pin_fetch(const char *host, unsigned port, struct thin_pin_info *out, struct err *e)
{
	cleanup_close int fd = -1;
	char addr[300];
	int pending, r;

	snprintf(addr, sizeof(addr), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	fd = sock_connect(addr, SOCK_STREAM, &pending, e);
	if (fd < 0)
		return fd;
	r = pending ? wait_for(fd, true) : 0;
	r = r ? r : sock_error(fd);
	if (r)
		return err_setw(e, r, "server.unreachable", _("cannot reach %s: %s"), addr,
				strerror(-r));
	return look(fd, host, out, e);
}
