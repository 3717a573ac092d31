/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as an appliance's tar: refused, or members with plain, different names inside the file.
 */
#include <assert.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/image/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct img_src s = {.mem = p, .size = n};
	static struct img_tar t;

	if (!n || img_tar_read(&s, &t, NULL) < 0)
		return 0;
	for (size_t i = 0; i < t.n; i++) {
		assert(img_plain_name(t.v[i].name));
		assert(img_tar_find(&t, t.v[i].name) == &t.v[i]);
		assert(range_ok(t.v[i].src.base, t.v[i].src.size, n));
	}
	return 0;
}
