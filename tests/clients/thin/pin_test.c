/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whom the client trusts: certificates made here by OpenSSL, in a directory of their own; and that
 * settings and pins come back as they were saved.
 */
#include "clients/thin/pin.h"
#include "clients/thin/settings.h"
#include "common/file.h"

#include <glib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct world {
	char dir[64], ca_path[96], other_path[96], leaf_path[96];
	char *leaf, *expired;
};

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

static X509 *make(const char *cn, const char *san, EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer,
		  long from_s, long to_s)
{
	X509 *x = X509_new();
	static long serial = 1;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), to_s);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	if (san)
		extend(x, issuer, NID_subject_alt_name, san);
	else
		extend(x, x, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(x, signer, EVP_sha256());
	return x;
}

static char *to_pem(X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p, *out;
	long n;

	PEM_write_bio_X509(b, x);
	n = BIO_get_mem_data(b, &p);
	out = strndup(p, (size_t)n);
	BIO_free(b);
	return out;
}

static void save(const char *path, const char *text)
{
	assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *ca, *other, *leaf, *expired;
	char *text;

	strcpy(w->dir, "/tmp/pane-pin-test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	g_setenv("XDG_CONFIG_HOME", w->dir, TRUE);
	snprintf(w->ca_path, sizeof(w->ca_path), "%s/ca.pem", w->dir);
	snprintf(w->other_path, sizeof(w->other_path), "%s/other.pem", w->dir);
	snprintf(w->leaf_path, sizeof(w->leaf_path), "%s/leaf.pem", w->dir);
	ca = make("test CA", NULL, key, NULL, key, -60, 3600);
	other = make("other CA", NULL, key, NULL, key, -60, 3600);
	leaf = make("gateway", "DNS:gw.example,IP:127.0.0.1", key, ca, key, -60, 3600);
	expired = make("gateway", "DNS:gw.example", key, ca, key, -7200, -3600);
	save(w->ca_path, text = to_pem(ca));
	free(text);
	save(w->other_path, text = to_pem(other));
	free(text);
	w->leaf = to_pem(leaf);
	w->expired = to_pem(expired);
	save(w->leaf_path, w->leaf);
	X509_free(ca);
	X509_free(other);
	X509_free(leaf);
	X509_free(expired);
	EVP_PKEY_free(key);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	g_autofree char *rm = g_strdup_printf("rm -rf %s", w->dir);

	free(w->leaf);
	free(w->expired);
	free(w);
	return system(rm);
}

static int verify(const struct world *w, const char *ca, const char *host, const char *pem)
{
	struct thin_site s = {0};

	(void)w;
	snprintf(s.ca, sizeof(s.ca), "%s", ca);
	snprintf(s.host, sizeof(s.host), "%s", host);
	return thin_pin_verify(&s, pem, strlen(pem), NULL);
}

static void the_sites_ca_and_name_are_trusted(void **state)
{
	struct world *w = *state;

	assert_int_equal(verify(w, w->ca_path, "gw.example", w->leaf), 0);
	assert_int_equal(verify(w, w->ca_path, "127.0.0.1", w->leaf), 0);
}

static void everything_else_is_not(void **state)
{
	struct world *w = *state;

	assert_true(verify(w, w->ca_path, "evil.example", w->leaf) < 0);
	assert_true(verify(w, w->ca_path, "127.0.0.2", w->leaf) < 0);
	assert_true(verify(w, w->other_path, "gw.example", w->leaf) < 0);
	assert_true(verify(w, "", "gw.example", w->leaf) < 0);
	assert_true(verify(w, w->ca_path, "gw.example", w->expired) < 0);
	assert_true(verify(w, "/nonexistent", "gw.example", w->leaf) < 0);
	assert_true(verify(w, w->ca_path, "gw.example", "") < 0);
	assert_true(verify(w, w->ca_path, "gw.example", "garbage") < 0);
}

static void a_pin_takes_exactly_that_certificate(void **state)
{
	struct world *w = *state;
	struct thin_site s = {.host = "whatever"};
	cleanup_free char *ca = NULL;
	size_t n;

	snprintf(s.pin, sizeof(s.pin), "%s", w->leaf_path);
	assert_int_equal(thin_pin_verify(&s, w->leaf, strlen(w->leaf), NULL), 0);
	assert_true(thin_pin_verify(&s, w->expired, strlen(w->expired), NULL) < 0);
	assert_int_equal(file_read(w->ca_path, 65536, &ca, &n, NULL), 0);
	assert_true(thin_pin_verify(&s, ca, n, NULL) < 0);
}

static void a_certificate_is_described(void **state)
{
	struct world *w = *state;
	struct thin_pin_info i;

	assert_int_equal(thin_pin_describe(w->leaf, strlen(w->leaf), &i, NULL), 0);
	assert_int_equal(strlen(i.sha256), 95);
	assert_string_equal(i.name, "gw.example");
	assert_string_equal(i.subject, "/CN=gateway");
	assert_string_equal(i.pem, w->leaf);
	thin_pin_info_clear(&i);
	assert_true(thin_pin_covers(w->leaf, strlen(w->leaf), "gw.example"));
	assert_true(thin_pin_covers(w->leaf, strlen(w->leaf), "127.0.0.1"));
	assert_false(thin_pin_covers(w->leaf, strlen(w->leaf), "127.0.0.2"));
}

static void settings_come_back(void **state)
{
	struct thin_settings s = {.server = "https://gw:1", .user = "bärbel"}, t;

	(void)state;
	assert_int_equal(thin_settings_save(&s, NULL), 0);
	thin_settings_load(&t);
	assert_string_equal(t.server, s.server);
	assert_string_equal(t.user, s.user);
}

static void pins_belong_to_host_and_port(void **state)
{
	struct world *w = *state;
	struct thin_site s = {.host = "gw.example", .port = 8443};

	thin_settings_find_pin(&s);
	assert_string_equal(s.pin, "");
	assert_int_equal(thin_settings_save_pin(&s, w->leaf, NULL), 0);
	s.pin[0] = '\0';
	thin_settings_find_pin(&s);
	assert_int_equal(thin_pin_verify(&s, w->leaf, strlen(w->leaf), NULL), 0);
	s.port = 8444;
	thin_settings_find_pin(&s);
	assert_string_equal(s.pin, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sites_ca_and_name_are_trusted),
		cmocka_unit_test(everything_else_is_not),
		cmocka_unit_test(a_pin_takes_exactly_that_certificate),
		cmocka_unit_test(a_certificate_is_described),
		cmocka_unit_test(settings_come_back),
		cmocka_unit_test(pins_belong_to_host_and_port),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
