/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS contexts with one policy for every process: TLS 1.2 or 1.3, ECDHE only, AEAD ciphers, no
 * renegotiation, no compression, no 0-RTT. tlsconn_* is a non-blocking connection over a
 * descriptor with errno-style results, for use with common/loop.h.
 */
#ifndef PANE_COMMON_TLS_H
#define PANE_COMMON_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

enum tls_role {
	TLS_SERVER,
	TLS_CLIENT
};

struct tls_params {
	enum tls_role role;
	const char *cert, *key; /* PEM paths; NULL for an anonymous client */
	const char *ca;		/* PEM path to verify the peer with; NULL = do not ask (server) */
	/* The same as text, for a process that may not read the files: these win. identity is the
	 * certificate's key, which may be one that signs elsewhere; a reference is taken. */
	const char *cert_pem, *ca_pem;
	EVP_PKEY *identity;
	bool require_peer; /* server: a client certificate is mandatory when ca is set */
	bool tls13_only;
	bool no_tickets; /* server: its peers never resume a session */
};

SSL_CTX *tls_context(const struct tls_params *p, struct err *e) must_check;
/* The first certificate of a PEM text; NULL when there is none. */
X509 *tls_first_certificate(const char *pem) must_check;

struct tlsconn {
	SSL *ssl; /* owned; NULL = a plain descriptor, the calls below then are read(2)/write(2) */
	int fd;	  /* owned */
	bool want_write; /* after -EAGAIN: wait for LOOP_WRITE rather than LOOP_READ */
};

/* Wraps fd (ownership moves on success). verify_name: for clients, the DNS name or IP the
 * certificate must carry; NULL only with a context that has no ca. */
int tlsconn_init(struct tlsconn *c, SSL_CTX *ctx, int fd, enum tls_role role,
		 const char *verify_name, struct err *e) must_check;
void tlsconn_fini(struct tlsconn *c);
/* 0 when done, -EAGAIN (see want_write), or -EPROTO with the reason in *e. */
int tlsconn_handshake(struct tlsconn *c, struct err *e) must_check;
/* Bytes moved; 0 = orderly end; -EAGAIN; other negative errno. */
ssize_t tlsconn_read(struct tlsconn *c, void *p, size_t n) must_check;
ssize_t tlsconn_write(struct tlsconn *c, const void *p, size_t n) must_check;
bool tlsconn_pending(const struct tlsconn *c); /* decrypted bytes wait: epoll will not tell */
void tlsconn_shutdown(struct tlsconn *c);      /* sends close_notify, best effort */
/* The verified peer's subject: common name and organisational unit; -ENOENT without a verified
 * peer. */
int tlsconn_peer(const struct tlsconn *c, char cn[64], char ou[64]) must_check;

#endif
