/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a disk with a partition table: refused, or partitions inside the disk. Checksums of
 * a GPT are mended first, or no input would get past them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "common/wire.h"
#include "vmm/image/parttab.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void mend(uint8_t *p, size_t n)
{
	uint8_t *h = p + 512;
	uint64_t at, len;

	if (n < 1024 || memcmp(h, "EFI PART", 8) != 0)
		return;
	at = get_le64(h + 72);
	len = (uint64_t)get_le32(h + 80) * get_le32(h + 84);
	if (at > n / 512 || !range_ok(at * 512, len, n) || get_le32(h + 12) > 512)
		return;
	put_le32(h + 88, (uint32_t)crc32(0, p + at * 512, (uInt)len));
	put_le32(h + 16, 0);
	put_le32(h + 16, (uint32_t)crc32(0, h, get_le32(h + 12)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct img_src s = {.mem = copy, .size = n};
	static struct img_parttab t;

	memcpy(copy, p, n);
	mend(copy, n);
	if (n && img_parttab_read(&s, &t, NULL) == 0) {
		for (size_t i = 0; i < t.n; i++)
			assert(range_ok(t.v[i].off, t.v[i].bytes, n) && t.v[i].fs);
	}
	free(copy);
	return 0;
}
