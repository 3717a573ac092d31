/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a disk file of any format: refused, or sizes inside the limits.
 */
#include <assert.h>
#include "vmm/image/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct img_limits lim = {1ull << 34, 1ull << 32};
	struct img_src s = {.mem = p, .size = n};
	struct img_disk d;

	if (n && img_format_check(&s, &lim, &d, NULL) == 0) {
		assert(d.virtual_bytes > 0 && d.virtual_bytes <= lim.virtual_bytes + 511);
		assert(d.format == IMG_RAW || d.data_bytes <= lim.data_bytes);
	}
	return 0;
}
