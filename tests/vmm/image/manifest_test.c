/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Manifests: the forms vendors write, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/image/manifest.h"

/* Of "abc" (FIPS 180). */
#define SHA1_ABC   "a9993e364706816aba3e25717850c26c9cd0d89d"
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct img_manifest m;
static struct img_tar t = {
	.n = 2,
	.v = {{"a.ovf", {.mem = (const uint8_t *)"abc", .size = 3}}, {"a.mf", {.size = 0}}}};

static void the_forms_of_vendors(void **state)
{
	(void)state;
	assert_int_equal(img_manifest_parse("SHA1(a.ovf)= " SHA1_ABC
					    "\r\n\nSHA256 (a.ovf) = " SHA256_ABC,
					    &m, NULL),
			 0);
	assert_int_equal(m.n, 2);
	assert_string_equal(m.v[1].algorithm, "SHA256");
	assert_int_equal(img_manifest_verify(&m, &t, NULL, NULL, NULL), 0);
}

static void what_does_not_fit_is_refused(void **state)
{
	static const char *const bad[] = {"x",
					  "MD5(a)= 00",
					  "SHA1(a)= 00",
					  "SHA1(../a)= " SHA1_ABC,
					  "SHA1(a)= " SHA1_ABC "0",
					  "SHA1()= " SHA1_ABC,
					  "SHA1(a) " SHA1_ABC};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(img_manifest_parse(bad[i], &m, NULL) < 0);
	assert_int_equal(img_manifest_parse("SHA1(a.ovf)= 09993e364706816aba3e25717850c26c9cd0d89d",
					    &m, NULL),
			 0);
	assert_true(img_manifest_verify(&m, &t, NULL, NULL, &e) < 0);
	assert_string_equal(e.word, "image.checksum");
	assert_int_equal(img_manifest_parse("", &m, NULL), 0);
	assert_true(img_manifest_verify(&m, &t, NULL, NULL, &e) < 0); /* a.ovf is not in it */
	assert_string_equal(e.word, "image.manifest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_forms_of_vendors),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
