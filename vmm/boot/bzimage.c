/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Parses the bzImage setup header. A pure function of its input: no file, no memory of its own.
 */
#include "vmm/boot/bzimage.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	BOOT_FLAG = 0x1fe,
	JUMP_LENGTH = 0x201,
	MAGIC = 0x202,
	VERSION = 0x206,
	INITRD_ADDR_MAX = 0x22c,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_LEAST = 0x268, /* all of the above is there */
};

enum {
	XLF_KERNEL_64 = 1,
	PROTOCOL_2_12 = 0x020c
};

static int check_magic(const uint8_t *h, size_t n, uint64_t file_size, struct err *e)
{
	if (file_size < HEADER_LEAST || n < HEADER_LEAST)
		return err_set(e, -EINVAL, "is too short for a Linux kernel: %llu bytes",
			       (unsigned long long)file_size);
	if (get_le16(h + BOOT_FLAG) != 0xaa55 || memcmp(h + MAGIC, "HdrS", 4))
		return err_set(e, -EINVAL, "is not a Linux kernel (no bzImage header)");
	if (get_le16(h + VERSION) < PROTOCOL_2_12)
		return err_set(e, -EINVAL,
			       "has boot protocol %u.%u; 2.12 or newer (Linux 3.8) is needed",
			       h[VERSION + 1], h[VERSION]);
	if (!(get_le16(h + XLOADFLAGS) & XLF_KERNEL_64))
		return err_set(e, -EINVAL, "is not a 64-bit kernel");
	return 0;
}

int bzimage_parse(const uint8_t *h, size_t n, uint64_t file_size, struct bzimage *out,
		  struct err *e)
{
	struct bzimage b = {0};
	int r = check_magic(h, n, file_size, e);

	if (r < 0)
		return r;

	unsigned sectors = h[SETUP_SECTS] ? h[SETUP_SECTS] : 4;
	uint64_t wanted = get_le32(h + SYSSIZE) * 16ull;

	b.version = get_le16(h + VERSION);
	b.code_offset = (sectors + 1) * 512ull;

	uint64_t end_said = b.code_offset + wanted;

	if (file_size <= b.code_offset || (wanted && file_size - b.code_offset < wanted))
		return err_set(e, -EINVAL, "is cut short: %llu bytes, its header says %llu",
			       (unsigned long long)file_size, (unsigned long long)end_said);
	b.code_size = wanted ? wanted : file_size - b.code_offset;
	b.load = get_le64(h + PREF_ADDRESS);
	b.init_size = get_le32(h + INIT_SIZE);
	if (b.init_size < b.code_size)
		b.init_size = b.code_size;
	if (b.load < 1 << 20 || b.load > 1ull << 32 || b.load % 4096 ||
	    b.code_size <= BZIMAGE_ENTRY64)
		return err_set(e, -EINVAL, "has an unusable header (load address %#llx)",
			       (unsigned long long)b.load);
	b.initrd_max = get_le32(h + INITRD_ADDR_MAX);
	b.cmdline_max = get_le32(h + CMDLINE_SIZE);

	size_t end = MAGIC + h[JUMP_LENGTH];

	if (end > n)
		end = n;
	if (end > BZIMAGE_HEADER_MAX)
		end = BZIMAGE_HEADER_MAX;
	if (end < HEADER_LEAST)
		return err_set(e, -EINVAL, "has a setup header that ends at %#zx, too early", end);
	b.header_size = end - BZIMAGE_HEADER;
	memcpy(b.header, h + BZIMAGE_HEADER, b.header_size);
	*out = b;
	return 0;
}
