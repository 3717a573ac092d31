/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VirtualBox disks (VDI 1.1), dynamic and fixed: one header, one block map, blocks. Differencing
 * disks are refused, as are maps that leave the file or name a block twice.
 */
#include "vmm/image/format.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define VERSION	    0x00010001u
#define TYPE_FIXED  2u
#define FREE_FROM   0xfffffffeu /* block map: zero, or never written */
#define BLOCK_BYTES (1u << 20)
#define BLOCKS_MAX  (1u << 24)

struct vdi {
	uint32_t type, map_off, data_off, block, blocks, allocated;
	uint64_t size;
};

static int read_header(const struct img_src *s, struct vdi *v, struct err *e)
{
	static const uint8_t none[16];
	uint8_t h[456];

	if (img_read(s, 0, h, sizeof(h)) < 0)
		return img_truncated(e);
	if (get_le32(h + 68) != VERSION)
		return err_setw(e, -EOPNOTSUPP, "image.format", "VDI version %08x is not known",
				get_le32(h + 68));
	v->type = get_le32(h + 76);
	if ((v->type != 1 && v->type != TYPE_FIXED) || memcmp(h + 424, none, 16) != 0 ||
	    memcmp(h + 440, none, 16) != 0)
		return err_setw(e, -EINVAL, "image.backing",
				"the VDI is only the difference to another disk: clone it in "
				"VirtualBox (full clone) and take the clone");
	v->map_off = get_le32(h + 340);
	v->data_off = get_le32(h + 344);
	v->size = get_le64(h + 368);
	v->block = get_le32(h + 376);
	v->blocks = get_le32(h + 384);
	v->allocated = get_le32(h + 388);
	if (get_le32(h + 360) != 512 || v->block != BLOCK_BYTES || get_le32(h + 380) != 0)
		return img_damaged(e, "its sector or block size is not what VirtualBox writes");
	return 0;
}

static int walk(const struct img_src *s, const struct vdi *v, uint64_t *used, struct err *e)
{
	uint64_t need = (v->size + BLOCK_BYTES - 1) / BLOCK_BYTES; /* at most v->blocks: checked */
	cleanup_free uint8_t *seen = img_alloc(v->blocks / 8 + 1);
	uint8_t b[4] = {0};

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < need; i++) {
		uint32_t at;

		if (img_read(s, v->map_off + 4ull * i, b, 4) < 0)
			return img_truncated(e);
		at = get_le32(b);
		if (at >= FREE_FROM)
			continue;
		if (at >= v->blocks || at >= v->allocated)
			return img_damaged(e, "a block lies beyond the blocks it has");
		if (seen[at / 8] & 1u << at % 8)
			return img_damaged(e, "the same data stands for many places of the disk");
		seen[at / 8] |= (uint8_t)(1u << at % 8);
		if (!range_ok(v->data_off + (uint64_t)at * v->block, v->block, s->size))
			return img_truncated(e);
		(*used)++;
	}
	return 0;
}

int img_vdi_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		  struct err *e)
{
	struct vdi v = {0};
	uint64_t used = 0;
	int r;

	if ((r = read_header(s, &v, e)) < 0 || (r = img_virtual_ok(v.size, lim, e)) < 0)
		return r;
	if (v.blocks > BLOCKS_MAX || v.size > (uint64_t)v.blocks * v.block)
		return img_damaged(e, "its block map does not cover the disk");
	if ((r = walk(s, &v, &used, e)) < 0)
		return r;
	d->virtual_bytes = (v.size + 511) / 512 * 512;
	d->data_bytes = used * v.block;
	return 0;
}
