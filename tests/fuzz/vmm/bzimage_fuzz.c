/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as the head of a kernel: refused, or reduced to values the loader can rely on.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "vmm/boot/bzimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bzimage b;
	uint64_t size;

	if (n < 8)
		return 0;
	memcpy(&size, p, 8); /* the file may be longer than its head, never shorter */
	size &= (1ull << 40) - 1;
	p += 8;
	n -= 8;
	if (size < n)
		size = n;
	if (n > BZIMAGE_HEAD)
		n = BZIMAGE_HEAD;
	if (bzimage_parse(p, n, size, &b, NULL) < 0)
		return 0;
	assert(b.code_offset < size && b.code_size <= size - b.code_offset);
	assert(b.code_size > BZIMAGE_ENTRY64 && b.init_size >= b.code_size);
	assert(b.load >= 1 << 20 && b.load <= 1ull << 32);
	assert(b.header_size <= sizeof(b.header));
	return 0;
}
