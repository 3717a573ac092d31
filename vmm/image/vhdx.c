/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hyper-V disks ([MS-VHDX]): headers, region table, metadata and the block allocation table are
 * read; disks with a parent, and disks that were not closed (a log to replay), are refused.
 */
#include "vmm/image/format.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define KIB64	    65536ull
#define BAT_STATE   7u
#define BAT_FULL    6u
#define BAT_PARTIAL 7u
#define BAT_OFFSET  0xfffffffffff00000ull
#define BLOCK_MIN   (1u << 20)
#define BLOCK_MAX   (256u << 20)
#define HAS_PARENT  2u
#define ENTRIES_MAX 2047u

/* GUIDs as they lie in the file. */
static const uint8_t guid_bat[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
				     0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t guid_metadata[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
					  0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t guid_params[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
					0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t guid_size[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
				      0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
static const uint8_t guid_sector[16] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
					0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};

struct vhdx {
	const struct img_src *s;
	uint64_t bat, meta, size;
	uint32_t bat_len, meta_len, block, flags, sector;
};

/* [MS-VHDX] 2.2.2: the newer of two headers counts; its log GUID is zero in a closed disk. */
static int check_headers(struct vhdx *v, struct err *e)
{
	static const uint8_t none[16];
	uint8_t h[2][80];
	int best = -1;

	for (int i = 0; i < 2; i++) {
		if (img_read(v->s, KIB64 * (uint64_t)(i + 1), h[i], sizeof(h[i])) < 0)
			return img_truncated(e);
		if (!memcmp(h[i], "head", 4) &&
		    (best < 0 || get_le64(h[i] + 8) > get_le64(h[best] + 8)))
			best = i;
	}
	if (best < 0)
		return img_damaged(e, "it has no header");
	if (memcmp(h[best] + 48, none, 16) != 0)
		return err_setw(
			e, -EINVAL, "image.unclean",
			"the disk was in use when it was copied (its log is not empty): shut "
			"the machine down and copy it again");
	return 0;
}

/* 2.2.3 */
static int find_regions(struct vhdx *v, struct err *e)
{
	uint8_t t[16], r[32];
	uint32_t n;

	if (img_read(v->s, 3 * KIB64, t, sizeof(t)) < 0)
		return img_truncated(e);
	n = get_le32(t + 8);
	if (memcmp(t, "regi", 4) != 0 || n > ENTRIES_MAX)
		return img_damaged(e, "its region table is broken");
	for (uint32_t i = 0; i < n; i++) {
		if (img_read(v->s, 3 * KIB64 + 16 + 32ull * i, r, sizeof(r)) < 0)
			return img_truncated(e);
		if (!memcmp(r, guid_bat, 16)) {
			v->bat = get_le64(r + 16);
			v->bat_len = get_le32(r + 24);
		} else if (!memcmp(r, guid_metadata, 16)) {
			v->meta = get_le64(r + 16);
			v->meta_len = get_le32(r + 24);
		}
	}
	if (!v->bat || !v->meta)
		return img_damaged(e, "its region table is incomplete");
	if (!range_ok(v->bat, v->bat_len, v->s->size) ||
	    !range_ok(v->meta, v->meta_len, v->s->size))
		return img_truncated(e);
	return 0;
}

/* 2.6 */
static int read_metadata(struct vhdx *v, struct err *e)
{
	struct img_src m;
	uint8_t t[32], x[8];
	unsigned n;

	if (img_window(v->s, v->meta, v->meta_len, &m) < 0 || img_read(&m, 0, t, 32) < 0)
		return img_truncated(e);
	n = get_le16(t + 10);
	if (memcmp(t, "metadata", 8) != 0 || n > ENTRIES_MAX)
		return img_damaged(e, "its metadata is broken");
	for (unsigned i = 0; i < n; i++) {
		if (img_read(&m, 32 + 32ull * i, t, 32) < 0)
			return img_truncated(e);
		if (get_le32(t + 20) < 4 || get_le32(t + 20) > m.size)
			continue;
		if (img_read(&m, get_le32(t + 16), x, get_le32(t + 20) < 8 ? 4 : 8) < 0)
			return img_truncated(e);
		if (!memcmp(t, guid_params, 16) && get_le32(t + 20) >= 8) {
			v->block = get_le32(x);
			v->flags = get_le32(x + 4);
		} else if (!memcmp(t, guid_size, 16) && get_le32(t + 20) >= 8) {
			v->size = get_le64(x);
		} else if (!memcmp(t, guid_sector, 16)) {
			v->sector = get_le32(x);
		}
	}
	if (v->flags & HAS_PARENT)
		return err_setw(e, -EINVAL, "image.backing",
				"the VHDX is only the difference to a parent disk: merge it in "
				"Hyper-V first");
	return 0;
}

/* Blocks lie on whole MiB. False when one is there already. */
static bool mark(uint8_t *seen, uint64_t off, uint32_t bytes)
{
	for (uint64_t m = off >> 20; m < (off + bytes) >> 20; m++) {
		if (seen[m / 8] & 1u << m % 8)
			return false;
		seen[m / 8] |= (uint8_t)(1u << m % 8);
	}
	return true;
}

/* 2.5: after every chunk of payload entries comes one entry for a bitmap. */
static int walk(const struct vhdx *v, uint64_t *used, struct err *e)
{
	uint64_t chunk = (8ull << 20) * v->sector / v->block;
	uint64_t blocks = (v->size + v->block - 1) / v->block;
	cleanup_free uint8_t *seen = img_alloc((v->s->size >> 23) + 1);
	uint8_t b[8];

	if (!seen)
		return -ENOMEM;
	if (blocks + blocks / chunk > v->bat_len / 8)
		return img_damaged(e, "its block table does not cover the disk");
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t entry;

		if (img_read(v->s, v->bat + 8 * (i + i / chunk), b, 8) < 0)
			return img_truncated(e);
		entry = get_le64(b);
		if ((entry & BAT_STATE) == BAT_PARTIAL)
			return img_damaged(e, "a block is partial without a parent");
		if ((entry & BAT_STATE) != BAT_FULL)
			continue;
		if (!range_ok(entry & BAT_OFFSET, v->block, v->s->size))
			return img_truncated(e);
		if (!mark(seen, entry & BAT_OFFSET, v->block))
			return img_damaged(e, "the same data stands for many places of the disk");
		(*used)++;
	}
	return 0;
}

int img_vhdx_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		   struct err *e)
{
	struct vhdx v = {.s = s};
	uint64_t used = 0;
	int r;

	if ((r = check_headers(&v, e)) < 0 || (r = find_regions(&v, e)) < 0 ||
	    (r = read_metadata(&v, e)) < 0 || (r = img_virtual_ok(v.size, lim, e)) < 0)
		return r;
	if (v.block < BLOCK_MIN || v.block > BLOCK_MAX || (v.block & (v.block - 1)) ||
	    (v.sector != 512 && v.sector != 4096) || v.size > UINT64_MAX / 2)
		return img_damaged(e, "its block or sector size is impossible");
	if (v.sector != 512)
		return err_setw(e, -EOPNOTSUPP, "image.format",
				"the disk has sectors of 4096 bytes, desktops have 512: convert it "
				"in Hyper-V first");
	if ((r = walk(&v, &used, e)) < 0)
		return r;
	d->virtual_bytes = (v.size + 511) / 512 * 512;
	d->data_bytes = used * v.block;
	return 0;
}
