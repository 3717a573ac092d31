/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any text where a grant should be: refused without harm. The key is new in every run, so nothing
 * can be accepted.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static EVP_PKEY *key;
	char text[GRANT_MAX + 64];
	struct grant g;

	if (!key)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (n >= sizeof(text))
		return 0;
	memcpy(text, p, n);
	text[n] = '\0';
	assert(grant_verify(key, text, &g, NULL) < 0);
	return 0;
}
