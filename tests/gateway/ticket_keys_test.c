/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ticket keys by real handshakes: a session is resumed for two rotations and no longer, by any
 * context that shares the keys and by none that does not.
 */
#include "gateway/ticket_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static void certify(SSL_CTX *c)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(c, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(c, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static SSL_CTX *server(struct gw_ticket_keys *k)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	certify(c);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	assert_int_equal(gw_ticket_keys_use(k, c), 0);
	return c;
}

/* A handshake in memory that offers *session and keeps the new one there; true when resumed. */
static bool handshake(SSL_CTX *sc, SSL_CTX *cc, SSL_SESSION **session)
{
	SSL *s = SSL_new(sc), *c = SSL_new(cc);
	BIO *a, *b;
	bool resumed;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	if (*session)
		SSL_set_session(c, *session);
	for (int i = 0; i < 20 && !(SSL_is_init_finished(s) && SSL_is_init_finished(c)); i++) {
		SSL_do_handshake(c);
		SSL_do_handshake(s);
	}
	assert_true(SSL_is_init_finished(s) && SSL_is_init_finished(c));
	resumed = SSL_session_reused(c);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(c);
	SSL_shutdown(c);
	SSL_free(s);
	SSL_free(c);
	return resumed;
}

static void test_shared(void **state)
{
	struct gw_ticket_keys *k = gw_ticket_keys_new(), *other = gw_ticket_keys_new();
	SSL_CTX *one = server(k), *two = server(k), *stranger = server(other);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;

	(void)state;
	gw_ticket_keys_rotate(k);
	gw_ticket_keys_rotate(other);
	assert_false(handshake(one, client, &session));
	assert_true(handshake(two, client, &session));
	assert_true(handshake(one, client, &session));
	assert_false(handshake(stranger, client, &session));
	SSL_SESSION_free(session);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
	SSL_CTX_free(stranger);
	SSL_CTX_free(client);
	gw_ticket_keys_free(k);
	gw_ticket_keys_free(other);
}

static void test_rotation(void **state)
{
	struct gw_ticket_keys *k = gw_ticket_keys_new();
	SSL_CTX *s = server(k), *client = SSL_CTX_new(TLS_client_method());

	(void)state;
	for (int rotations = 0; rotations < 5; rotations++) {
		SSL_SESSION *session = NULL;

		assert_false(handshake(s, client, &session));
		for (int i = 0; i < rotations; i++)
			gw_ticket_keys_rotate(k);
		assert_int_equal(handshake(s, client, &session), rotations <= 2);
		SSL_SESSION_free(session);
	}
	SSL_CTX_free(s);
	SSL_CTX_free(client);
	gw_ticket_keys_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared),
					   cmocka_unit_test(test_rotation)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
