/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/virtio/sha256.c: both ways of it give what OpenSSL gives, for every length of a last block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/secret.h"
#include "vmm/virtio/sha256.h"

static void the_standards_examples(void **state)
{
	char out[SHA256_TEXT];

	(void)state;
	sha256_text(out, "abc", 3);
	assert_string_equal(out,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_text_portable(out, "", 0);
	assert_string_equal(out,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void every_length_is_as_openssl_has_it(void **state)
{
	uint8_t bytes[1000];
	char want[65], fast[SHA256_TEXT], slow[SHA256_TEXT];
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		const uint8_t *p = bytes + sizeof(bytes) - n; /* at any alignment */

		sha256_hex(want, p, n);
		sha256_text(fast, p, n);
		sha256_text_portable(slow, p, n);
		assert_string_equal(fast, want);
		assert_string_equal(slow, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standards_examples),
		cmocka_unit_test(every_length_is_as_openssl_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
