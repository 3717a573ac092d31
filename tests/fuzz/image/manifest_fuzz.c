/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any text as a manifest: refused, or digests of the right length for plain names.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "vmm/image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct img_manifest m;
	char *text = malloc(n + 1);

	memcpy(text, p, n);
	text[n] = 0;
	if (img_manifest_parse(text, &m, NULL) == 0) {
		for (size_t i = 0; i < m.n; i++) {
			assert(img_plain_name(m.v[i].name));
			assert(strspn(m.v[i].hex, "0123456789abcdef") == strlen(m.v[i].hex));
		}
	}
	free(text);
	return 0;
}
