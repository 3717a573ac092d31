/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The certificate request; enrolment with a server is in the stories of agent_test.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include "vmm/host/enroll.h"

static void a_request_is_signed_and_names_the_host(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *pem = NULL, cn[64] = "";
	X509_REQ *req;
	BIO *b;

	(void)state;
	assert_int_equal(host_csr(key, "rack 7 ü", &pem, NULL), 0);
	b = BIO_new_mem_buf(pem, -1);
	req = PEM_read_bio_X509_REQ(b, NULL, NULL, NULL);
	assert_non_null(req);
	assert_int_equal(X509_REQ_verify(req, key), 1);
	X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(req), NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "rack 7 ü");
	X509_REQ_free(req);
	BIO_free(b);
	free(pem);
	EVP_PKEY_free(key);
}

static void a_host_without_identity_is_told_how(void **state)
{
	struct host_config c = {.state_dir = (char[]){"/nonexistent"}};
	struct host_identity id;
	struct err e = {0};

	(void)state;
	assert_int_equal(host_identity_load(&c, &id, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "pane hosts create"));
	assert_int_equal(host_identity_load(&c, &id, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_signed_and_names_the_host),
		cmocka_unit_test(a_host_without_identity_is_told_how),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
