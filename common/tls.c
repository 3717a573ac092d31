/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS policy and non-blocking connections; see tls.h. Descriptor BIOs, released buffers: an idle
 * connection costs OpenSSL's objects only.
 */
#include "common/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define TLS12_CIPHERS                                                                              \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define TLS13_CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static const char *why(char buf[256])
{
	unsigned long c = ERR_peek_last_error();

	if (!c)
		return "unknown reason";
	ERR_error_string_n(c, buf, 256);
	ERR_clear_error();
	return buf;
}

static BIO *text_bio(const char *pem)
{
	return BIO_new_mem_buf(pem, -1);
}

X509 *tls_first_certificate(const char *pem)
{
	BIO *b = text_bio(pem);
	X509 *x = b ? PEM_read_bio_X509_AUX(b, NULL, NULL, NULL) : NULL;

	BIO_free(b);
	return x;
}

/* The leaf, then what chains it to the CA; the end of the text is an error only for the first. */
static int use_chain(SSL_CTX *c, const char *pem)
{
	BIO *b = text_bio(pem);
	X509 *x = b ? PEM_read_bio_X509_AUX(b, NULL, NULL, NULL) : NULL;
	int ok = x && SSL_CTX_use_certificate(c, x) == 1;

	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
		ok = SSL_CTX_add1_chain_cert(c, x) == 1;
		X509_free(x);
	}
	BIO_free(b);
	if (ok)
		ERR_clear_error();
	return ok ? 0 : -EINVAL;
}

static int load_identity_text(SSL_CTX *c, const struct tls_params *p, struct err *e)
{
	char buf[256];

	if (use_chain(c, p->cert_pem))
		return err_set(e, -EINVAL, "cannot use a certificate: %s", why(buf));
	if (SSL_CTX_use_PrivateKey(c, p->identity) != 1)
		return err_set(e, -EINVAL, "a key does not belong to its certificate: %s",
			       why(buf));
	return 0;
}

static int load_identity(SSL_CTX *c, const struct tls_params *p, struct err *e)
{
	char buf[256];

	if (p->cert_pem)
		return load_identity_text(c, p, e);
	if (!p->cert)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(c, p->cert) != 1)
		return err_set(e, -EINVAL, "cannot use the certificate %s: %s", p->cert, why(buf));
	if (SSL_CTX_use_PrivateKey_file(c, p->key, SSL_FILETYPE_PEM) != 1)
		return err_set(e, -EINVAL, "cannot use the private key %s: %s", p->key, why(buf));
	if (SSL_CTX_check_private_key(c) != 1)
		return err_set(e, -EINVAL, "the key %s does not belong to the certificate %s",
			       p->key, p->cert);
	return 0;
}

/* The text's certificates as trust, and to a server's clients as names. */
static int use_ca_text(SSL_CTX *c, const char *pem, bool server)
{
	BIO *b = text_bio(pem);
	int n = 0;
	X509 *x;

	while (b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(SSL_CTX_get_cert_store(c), x) == 1 &&
		     (!server || SSL_CTX_add_client_CA(c, x) == 1);
		X509_free(x);
	}
	BIO_free(b);
	if (n)
		ERR_clear_error();
	return n ? 0 : -EINVAL;
}

static int load_ca(SSL_CTX *c, const struct tls_params *p, struct err *e)
{
	int mode = SSL_VERIFY_PEER;
	char buf[256];

	if (!p->ca && !p->ca_pem) {
		SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (p->ca_pem) {
		if (use_ca_text(c, p->ca_pem, p->role == TLS_SERVER))
			return err_set(e, -EINVAL, "cannot use the CA file: %s", why(buf));
	} else if (SSL_CTX_load_verify_file(c, p->ca) != 1) {
		return err_set(e, -EINVAL, "cannot use the CA file %s: %s", p->ca, why(buf));
	}
	if (p->role == TLS_SERVER) {
		if (!p->ca_pem)
			SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(p->ca));
		if (p->require_peer)
			mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	}
	SSL_CTX_set_verify(c, mode, NULL);
	return 0;
}

SSL_CTX *tls_context(const struct tls_params *p, struct err *e)
{
	SSL_CTX *c = SSL_CTX_new(p->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!c) {
		err_set(e, -ENOMEM, "cannot make a TLS context");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(c, p->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(c, TLS12_CIPHERS);
	SSL_CTX_set_ciphersuites(c, TLS13_CIPHERS);
	SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384");
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_CIPHER_SERVER_PREFERENCE |
				       SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Without NO_AUTO_CHAIN our own chain would be built, and so verified, in every handshake
	 * from the CAs that peers are checked against; what is shown is what the file has. */
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* One read(2) a wake-up, not one for each record's head and one for its body. */
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_num_tickets(c, p->no_tickets ? 0 : 1);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(c, (const uint8_t *)"pane", 4);
	if (load_identity(c, p, e) || load_ca(c, p, e)) {
		SSL_CTX_free(c);
		return NULL;
	}
	return c;
}

static int set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *vp = SSL_get0_param(ssl);
	struct in6_addr a;

	if (inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(vp, name);
	return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

int tlsconn_init(struct tlsconn *c, SSL_CTX *ctx, int fd, enum tls_role role,
		 const char *verify_name, struct err *e)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1 || (verify_name && !set_name(ssl, verify_name))) {
		SSL_free(ssl);
		return err_set(e, -ENOMEM, "cannot start TLS");
	}
	if (role == TLS_SERVER)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	*c = (struct tlsconn){.ssl = ssl, .fd = fd};
	return 0;
}

void tlsconn_fini(struct tlsconn *c)
{
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct tlsconn){.fd = -1};
}

/* Turns an SSL result <= 0 into an errno; 0 for an orderly end. */
static int ssl_result(struct tlsconn *c, int r)
{
	int saved = errno;

	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		c->want_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		c->want_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved ? -saved : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

int tlsconn_handshake(struct tlsconn *c, struct err *e)
{
	char buf[256];
	long v;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(c->ssl);
	if (r == 1)
		return 0;
	r = ssl_result(c, r);
	if (r == -EAGAIN)
		return r;
	v = SSL_get_verify_result(c->ssl);
	if (v != X509_V_OK)
		return err_setw(e, -EPROTO, "tls.verify", "the peer's certificate was refused: %s",
				X509_verify_cert_error_string(v));
	if (r == -EPROTO)
		return err_setw(e, r, "tls.handshake", "TLS handshake failed: %s", why(buf));
	return err_setw(e, r ? r : -ECONNRESET, "tls.closed",
			"the peer closed the connection during the TLS handshake");
}

ssize_t tlsconn_read(struct tlsconn *c, void *p, size_t n)
{
	ssize_t r;

	if (!c->ssl) {
		r = read(c->fd, p, n);
		c->want_write = false;
		return r < 0 ? -errno : r;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_read(c->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	return r > 0 ? r : ssl_result(c, (int)r);
}

ssize_t tlsconn_write(struct tlsconn *c, const void *p, size_t n)
{
	ssize_t r;

	if (!n)
		return 0;
	if (!c->ssl) {
		r = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		c->want_write = true;
		return r < 0 ? -errno : r;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_write(c->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (r > 0)
		return r;
	r = ssl_result(c, (int)r);
	return r ? r : -EPIPE;
}

bool tlsconn_pending(const struct tlsconn *c)
{
	return c->ssl && SSL_has_pending(c->ssl);
}

void tlsconn_shutdown(struct tlsconn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	} else if (!c->ssl && c->fd >= 0) {
		shutdown(c->fd, SHUT_WR);
	}
	ERR_clear_error();
}

int tlsconn_peer(const struct tlsconn *c, char cn[64], char ou[64])
{
	X509 *x = c->ssl ? SSL_get0_peer_certificate(c->ssl) : NULL;
	X509_NAME *name;

	cn[0] = ou[0] = '\0';
	if (!x || SSL_get_verify_result(c->ssl) != X509_V_OK)
		return -ENOENT;
	name = X509_get_subject_name(x);
	if (X509_NAME_get_text_by_NID(name, NID_commonName, cn, 64) < 0)
		return -ENOENT;
	if (X509_NAME_get_text_by_NID(name, NID_organizationalUnitName, ou, 64) < 0)
		ou[0] = '\0';
	return 0;
}
