/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See parttab.h. A partition that leaves the disk makes the whole table damaged: a disk that was
 * cut short looks like that.
 */
#include "vmm/image/parttab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "common/wire.h"

#define SECTOR		512ull
#define LOGICAL_MAX	32
#define GPT_ENTRIES_MAX 256

const char *img_table_name(enum img_table k)
{
	static const char *const names[] = {"none", "mbr", "gpt"};

	return names[k];
}

static const char *fs_of(const struct img_src *disk, uint64_t off, uint64_t bytes)
{
	static const struct {
		uint64_t at;
		const char *magic, *name;
		size_t n;
	} known[] = {
		{1080, "\x53\xef", "ext", 2},	  {0, "XFSB", "xfs", 4},
		{65600, "_BHRfS_M", "btrfs", 8},  {536, "LVM2 001", "lvm", 8},
		{24, "LVM2 001", "lvm", 8},	  {0, "LUKS\xba\xbe", "luks", 6},
		{3, "NTFS    ", "ntfs", 8},	  {82, "FAT32   ", "vfat", 8},
		{54, "FAT16   ", "vfat", 8},	  {54, "FAT12   ", "vfat", 8},
		{4086, "SWAPSPACE2", "swap", 10}, {32769, "CD001", "iso9660", 5},
	};
	char b[16];

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (range_ok(known[i].at, known[i].n, bytes) &&
		    img_read(disk, off + known[i].at, b, known[i].n) == 0 &&
		    !memcmp(b, known[i].magic, known[i].n))
			return known[i].name;
	}
	return "unknown";
}

static int add(const struct img_src *disk, struct img_parttab *t, const struct img_part *p,
	       struct err *e)
{
	if (!range_ok(p->off, p->bytes, disk->size) || p->off < SECTOR)
		return err_setw(e, -EINVAL, "image.partitions",
				"partition %u lies outside the disk: the disk was cut short or its "
				"table is damaged",
				p->number);
	if (t->n == IMG_PARTS_MAX)
		return err_setw(e, -EINVAL, "image.partitions",
				"the disk has more than %d partitions", IMG_PARTS_MAX);
	t->v[t->n] = *p;
	t->v[t->n++].fs = fs_of(disk, p->off, p->bytes);
	return 0;
}

static bool extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static struct img_part mbr_entry(const uint8_t *x, uint64_t base, unsigned number, uint32_t sig)
{
	struct img_part p = {
		.number = number,
		.off = (base + get_le32(x + 8)) * SECTOR,
		.bytes = get_le32(x + 12) * SECTOR,
		.esp = x[4] == 0xef,
		.active = x[0] == 0x80,
	};

	snprintf(p.partuuid, sizeof(p.partuuid), "%08x-%02x", sig, number);
	return p;
}

/* Logical drives: a chain of tables, each naming one drive and the next table. */
static int read_logical(const struct img_src *disk, struct img_parttab *t, uint64_t first,
			uint32_t sig, struct err *e)
{
	uint64_t at = first;
	uint8_t b[512];
	int r;

	for (unsigned i = 0; i < LOGICAL_MAX; i++) {
		const uint8_t *x = b + 446, *next = b + 462;
		struct img_part p;

		if (img_read(disk, at * SECTOR, b, 512) < 0 || get_le16(b + 510) != 0xaa55)
			return err_setw(e, -EINVAL, "image.partitions",
					"the chain of logical drives is broken");
		p = mbr_entry(x, at, 5 + i, sig);
		if (x[4] && p.bytes && (r = add(disk, t, &p, e)) < 0)
			return r;
		if (!extended(next[4]) || get_le32(next + 12) == 0)
			return 0;
		at = first + get_le32(next + 8);
	}
	return err_setw(e, -EINVAL, "image.partitions", "the disk has too many logical drives");
}

static int read_mbr(const struct img_src *disk, struct img_parttab *t, const uint8_t *b,
		    struct err *e)
{
	uint32_t sig = get_le32(b + 440);
	int r;

	t->kind = IMG_TABLE_MBR;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *x = b + 446 + 16 * i;
		struct img_part p = mbr_entry(x, 0, i + 1, sig);

		if (!x[4] || !p.bytes)
			continue;
		if (extended(x[4]))
			r = read_logical(disk, t, get_le32(x + 8), sig, e);
		else
			r = add(disk, t, &p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void guid_text(char out[40], const uint8_t *g)
{
	snprintf(out, 40, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", get_le32(g),
		 get_le16(g + 4), get_le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14],
		 g[15]);
}

static int gpt_damaged(struct err *e, const char *what)
{
	return err_setw(e, -EINVAL, "image.partitions", "the GPT of the disk is damaged: %s", what);
}

static int read_gpt(const struct img_src *disk, struct img_parttab *t, struct err *e)
{
	static const uint8_t esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
					0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
	static const uint8_t none[16];
	cleanup_free uint8_t *v = NULL;
	uint8_t h[512];
	uint32_t n, size, len;
	int r;

	if (img_read(disk, SECTOR, h, 512) < 0)
		return gpt_damaged(e, "cut short");
	len = get_le32(h + 12);
	n = get_le32(h + 80);
	size = get_le32(h + 84);
	if (len < 92 || len > 512 || n > GPT_ENTRIES_MAX || size < 128 || size > 512)
		return gpt_damaged(e, "its header is impossible");
	v = img_alloc((size_t)n * size + 1);
	if (!v)
		return -ENOMEM;
	if (get_le64(h + 72) > disk->size / SECTOR ||
	    img_read(disk, get_le64(h + 72) * SECTOR, v, (size_t)n * size) < 0)
		return gpt_damaged(e, "its entries lie outside the disk");
	uint32_t want = get_le32(h + 16), want_v = get_le32(h + 88);

	put_le32(h + 16, 0);
	if (crc32(0, h, len) != want || crc32(0, v, (uInt)(n * size)) != want_v)
		return gpt_damaged(e, "its checksum is wrong");
	t->kind = IMG_TABLE_GPT;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *x = v + (size_t)i * size;
		uint64_t first = get_le64(x + 32), last = get_le64(x + 40);
		struct img_part p = {.number = i + 1, .esp = !memcmp(x, esp, 16)};

		if (!memcmp(x, none, 16))
			continue;
		if (first > last || last >= disk->size / SECTOR)
			return gpt_damaged(e, "a partition lies outside the disk");
		p.off = first * SECTOR;
		p.bytes = (last - first + 1) * SECTOR;
		guid_text(p.partuuid, x + 16);
		if ((r = add(disk, t, &p, e)) < 0)
			return r;
	}
	return 0;
}

static void whole(const struct img_src *disk, struct img_parttab *t)
{
	t->kind = IMG_TABLE_NONE;
	t->v[0] = (struct img_part){.bytes = disk->size, .fs = fs_of(disk, 0, disk->size)};
	t->n = strcmp(t->v[0].fs, "unknown") != 0;
}

int img_parttab_read(const struct img_src *disk, struct img_parttab *t, struct err *e)
{
	uint8_t b[512], sig[8];

	*t = (struct img_parttab){0};
	if (img_read(disk, 0, b, 512) < 0)
		return img_read(disk, 0, b, 0);
	t->boot_code =
		get_le16(b + 510) == 0xaa55 &&
		(b[0] == 0xeb || b[0] == 0xe9 || b[0] == 0x33 || b[0] == 0xfa || b[0] == 0x31);
	whole(disk, t);
	if (t->n > 0 || get_le16(b + 510) != 0xaa55)
		return 0;
	if (b[446 + 4] == 0xee && img_read(disk, SECTOR, sig, 8) == 0 &&
	    !memcmp(sig, "EFI PART", 8))
		return read_gpt(disk, t, e);
	for (int i = 0; i < 4; i++) {
		if (b[446 + 16 * i] & 0x7f)
			return 0; /* boot code of a file system, not a table */
	}
	return read_mbr(disk, t, b, e);
}
