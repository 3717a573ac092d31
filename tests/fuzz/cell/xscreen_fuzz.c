/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of the X server's framebuffer file, which programs inside can write: what is taken lies
 * within the file.
 */
#include <stdlib.h>
#include "vmm/cell/xscreen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct surface_scanout s;
	uint64_t file = size > 2 ? (uint64_t)data[0] << 20 | (uint64_t)data[1] << 8 : 0;

	if (size < 2 || xscreen_parse_fb(data + 2, size - 2, file, &s) < 0)
		return 0;
	if (s.offset + (uint64_t)s.stride * s.height > file || s.stride < s.width * 4)
		abort();
	return 0;
}
