/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/tls.c: two ends meet only when each proves what the other asks for. Certificates are made
 * here, fresh for every run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/sock.h"
#include "common/tls.h"

static char dir[] = "/tmp/pane-tls-XXXXXX";

struct issuer {
	X509 *cert;
	EVP_PKEY *key;
};

static const char *at(const char *name)
{
	static char p[4][128];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(p[i], sizeof(p[i]), "%s/%s", dir, name);
	return p[i];
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

/* Writes name.crt and name.key; by == NULL makes a self-signed CA. */
static struct issuer make(const char *name, const char *ou, const char *san,
			  const struct issuer *by)
{
	struct issuer me = {X509_new(), EVP_EC_gen("P-256")};
	X509_NAME *n = X509_NAME_new();
	char file[64];
	FILE *f;

	X509_NAME_add_entry_by_txt(n, "OU", MBSTRING_ASC, (const uint8_t *)ou, -1, -1, 0);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_version(me.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(me.cert), rand());
	X509_set_subject_name(me.cert, n);
	X509_set_issuer_name(me.cert, by ? X509_get_subject_name(by->cert) : n);
	X509_gmtime_adj(X509_getm_notBefore(me.cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(me.cert), 3600);
	X509_set_pubkey(me.cert, me.key);
	add_ext(me.cert, by ? by->cert : me.cert, NID_basic_constraints,
		by ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		add_ext(me.cert, by->cert, NID_subject_alt_name, san);
	assert_true(X509_sign(me.cert, by ? by->key : me.key, EVP_sha256()) > 0);
	snprintf(file, sizeof(file), "%s.crt", name);
	f = fopen(at(file), "w");
	PEM_write_X509(f, me.cert);
	fclose(f);
	snprintf(file, sizeof(file), "%s.key", name);
	f = fopen(at(file), "w");
	PEM_write_PrivateKey(f, me.key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_NAME_free(n);
	return me;
}

static void drop(struct issuer *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static int setup(void **state)
{
	struct issuer ca, other, leaf;

	(void)state;
	assert_non_null(mkdtemp(dir));
	ca = make("ca", "ca", NULL, NULL);
	other = make("other", "ca", NULL, NULL);
	leaf = make("gateway", "gateway", "DNS:gateway,IP:127.0.0.1", &ca);
	drop(&leaf);
	leaf = make("host", "host", NULL, &ca);
	drop(&leaf);
	leaf = make("stranger", "host", NULL, &other);
	drop(&leaf);
	drop(&ca);
	drop(&other);
	return 0;
}

static int teardown(void **state)
{
	static const char *names[] = {"ca", "other", "gateway", "host", "stranger"};
	char file[64];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(file, sizeof(file), "%s.crt", names[i]);
		unlink(at(file));
		snprintf(file, sizeof(file), "%s.key", names[i]);
		unlink(at(file));
	}
	return rmdir(dir);
}

struct pair {
	struct tlsconn server, client;
	SSL_CTX *sctx, *cctx;
	struct err se, ce;
	int sr, cr;
};

/* Runs both handshakes to their end over a socket pair. */
static void meet(struct pair *p, const char *server, const char *client, const char *client_ca,
		 const char *name, bool require)
{
	struct tls_params sp = {.role = TLS_SERVER, .ca = at("ca.crt"), .require_peer = require};
	struct tls_params cp = {.role = TLS_CLIENT, .ca = client_ca};
	char crt[2][64], key[2][64];
	int sv[2];

	memset(p, 0, sizeof(*p));
	snprintf(crt[0], 64, "%s/%s.crt", dir, server);
	snprintf(key[0], 64, "%s/%s.key", dir, server);
	sp.cert = crt[0];
	sp.key = key[0];
	if (client) {
		snprintf(crt[1], 64, "%s/%s.crt", dir, client);
		snprintf(key[1], 64, "%s/%s.key", dir, client);
		cp.cert = crt[1];
		cp.key = key[1];
	}
	p->sctx = tls_context(&sp, &p->se);
	p->cctx = tls_context(&cp, &p->ce);
	assert_non_null(p->sctx);
	assert_non_null(p->cctx);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(tlsconn_init(&p->server, p->sctx, sv[0], TLS_SERVER, NULL, &p->se), 0);
	assert_int_equal(tlsconn_init(&p->client, p->cctx, sv[1], TLS_CLIENT, name, &p->ce), 0);
	p->sr = p->cr = -EAGAIN;
	for (int i = 0; i < 20; i++) {
		if (p->cr == -EAGAIN)
			p->cr = tlsconn_handshake(&p->client, &p->ce);
		if (p->cr && p->cr != -EAGAIN)
			shutdown(sv[1], SHUT_RDWR);
		if (p->sr == -EAGAIN)
			p->sr = tlsconn_handshake(&p->server, &p->se);
		if (p->sr && p->sr != -EAGAIN)
			shutdown(sv[0], SHUT_RDWR);
	}
}

static void part(struct pair *p)
{
	tlsconn_fini(&p->server);
	tlsconn_fini(&p->client);
	SSL_CTX_free(p->sctx);
	SSL_CTX_free(p->cctx);
}

static void both_ends_prove_themselves(void **state)
{
	char cn[64], ou[64], in[16];
	struct pair p;

	(void)state;
	meet(&p, "gateway", "host", at("ca.crt"), "gateway", true);
	assert_int_equal(p.cr, 0);
	assert_int_equal(p.sr, 0);
	assert_int_equal(tlsconn_peer(&p.server, cn, ou), 0);
	assert_string_equal(cn, "host");
	assert_string_equal(ou, "host");
	assert_int_equal(tlsconn_read(&p.server, in, sizeof(in)), -EAGAIN);
	assert_int_equal(tlsconn_write(&p.client, "bytes", 5), 5);
	assert_int_equal(tlsconn_read(&p.server, in, sizeof(in)), 5);
	tlsconn_shutdown(&p.client);
	assert_int_equal(tlsconn_read(&p.server, in, sizeof(in)), 0);
	part(&p);
	meet(&p, "gateway", NULL, at("ca.crt"), "127.0.0.1", false);
	assert_int_equal(p.cr, 0);
	assert_int_equal(p.sr, 0);
	assert_int_equal(tlsconn_peer(&p.server, cn, ou), -ENOENT);
	part(&p);
}

static void a_stranger_is_refused(void **state)
{
	struct pair p;

	(void)state;
	meet(&p, "gateway", "stranger", at("ca.crt"), "gateway", true);
	assert_int_equal(p.sr, -EPROTO);
	assert_string_equal(p.se.word, "tls.verify");
	part(&p);
	meet(&p, "gateway", NULL, at("ca.crt"), "gateway", true);
	assert_true(p.sr < 0 && p.sr != -EAGAIN);
	part(&p);
	meet(&p, "gateway", NULL, at("other.crt"), "gateway", false);
	assert_int_equal(p.cr, -EPROTO);
	part(&p);
	meet(&p, "gateway", NULL, at("ca.crt"), "another", false);
	assert_int_equal(p.cr, -EPROTO);
	assert_string_equal(p.ce.word, "tls.verify");
	part(&p);
}

static void a_wrong_key_is_named(void **state)
{
	char crt[64], key[64];
	struct tls_params sp = {.role = TLS_SERVER, .cert = crt, .key = key};
	struct err e = {0};

	(void)state;
	snprintf(crt, sizeof(crt), "%s", at("gateway.crt"));
	snprintf(key, sizeof(key), "%s", at("host.key"));
	assert_null(tls_context(&sp, &e));
	assert_non_null(strstr(e.msg, "host.key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_prove_themselves),
		cmocka_unit_test(a_stranger_is_refused),
		cmocka_unit_test(a_wrong_key_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
