/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * VMDK (VMware Virtual Disk Format 5.0): monolithicSparse and streamOptimized, each one file with
 * its descriptor inside. A descriptor alone, or one that names other extents, points at files of
 * this machine and is refused, as is a header that sends a reader to the descriptor (capacity 0).
 */
#include "vmm/image/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "common/wire.h"

#define SECTOR	       512ull
#define DESCRIPTOR_MAX 65536u
#define GRAINS_MAX     (1ull << 28)
#define GD_AT_END      UINT64_MAX
#define FLAG_COMPRESS  (1u << 16)
#define FLAG_MARKERS   (1u << 17)
#define FLAG_ZERO_GTE  (1u << 2)

struct vmdk {
	const struct img_src *s;
	uint32_t flags, gtes;
	uint64_t capacity, grain, gd; /* sectors */
	uint64_t desc, desc_n;	      /* sectors */
	uint64_t used;
};

static int refuse_extents(struct err *e)
{
	return err_setw(e, -EINVAL, "image.backing",
			"the VMDK names other files as its extents or its parent; an image must be "
			"one file: export it as a stream-optimised VMDK or as OVA");
}

/* Lines like: RW 2048 SPARSE "disk.vmdk". The words are told apart as qemu does it, by any blanks.
 */
static int check_extent(const char *line, unsigned *extents, struct err *e)
{
	static const char *const access[] = {"RW", "RDONLY", "NOACCESS"};
	char word[3][16] = {"", "", ""};

	if (sscanf(line, "%15s %15s %15s", word[0], word[1], word[2]) < 1)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(access); i++) {
		if (!strcasecmp(word[0], access[i])) {
			(*extents)++;
			return strcmp(word[2], "SPARSE") != 0 ? refuse_extents(e) : 0;
		}
	}
	return 0;
}

static int check_line(char *line, unsigned *extents, struct err *e)
{
	char *v;
	int r = check_extent(line, extents, e);

	if (r < 0)
		return r;
	if (!strncasecmp(line, "parentCID", 9)) {
		v = line + 9 + strspn(line + 9, " =\t");
		if (strncasecmp(v, "ffffffff", 8) != 0)
			return refuse_extents(e);
	}
	if (!strncasecmp(line, "parentFileNameHint", 18))
		return refuse_extents(e);
	if (!strncasecmp(line, "encryption", 10))
		return err_setw(e, -EINVAL, "image.encrypted",
				"the disk is encrypted: decrypt it before you export it");
	return 0;
}

static int check_descriptor(const struct vmdk *v, struct err *e)
{
	cleanup_free char *text = NULL;
	unsigned extents = 0;
	char *line, *save = NULL;
	size_t n;
	int r;

	if (v->desc == 0 || v->desc_n == 0)
		return 0;
	if (v->desc_n > DESCRIPTOR_MAX / SECTOR || v->desc > UINT64_MAX / SECTOR)
		return img_damaged(e, "its descriptor is too large");
	n = (size_t)(v->desc_n * SECTOR);
	text = malloc(n + 1);
	if (!text)
		return -ENOMEM;
	if (img_read(v->s, v->desc * SECTOR, text, n) < 0)
		return img_truncated(e);
	text[n] = 0;
	for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		if ((r = check_line(line, &extents, e)) < 0)
			return r;
	}
	return extents > 1 ? refuse_extents(e) : 0;
}

static void take_header(struct vmdk *v, const uint8_t *h)
{
	v->flags = get_le32(h + 8);
	v->capacity = get_le64(h + 12);
	v->grain = get_le64(h + 20);
	v->desc = get_le64(h + 28);
	v->desc_n = get_le64(h + 36);
	v->gtes = get_le32(h + 44);
	v->gd = get_le64(h + 56);
}

/* A streamed disk has its directory's place in a footer: 1024 bytes before the end. */
static int read_header(struct vmdk *v, struct err *e)
{
	uint8_t h[512];

	if (img_read(v->s, 0, h, 4) == 0 && memcmp(h, "KDMV", 4) != 0)
		return refuse_extents(e); /* a descriptor alone */
	if (img_read(v->s, 0, h, sizeof(h)) < 0)
		return img_truncated(e);
	if (get_le32(h + 4) < 1 || get_le32(h + 4) > 3)
		return err_setw(e, -EOPNOTSUPP, "image.format", "VMDK version %u is not known",
				get_le32(h + 4));
	take_header(v, h);
	if (v->gd != GD_AT_END)
		return 0;
	if (v->s->size < 3 * SECTOR || img_read(v->s, v->s->size - 2 * SECTOR, h, 512) < 0 ||
	    memcmp(h, "KDMV", 4) != 0)
		return img_truncated(e);
	uint64_t capacity = v->capacity;
	struct vmdk foot = *v;

	take_header(&foot, h);
	if (foot.capacity != capacity || foot.gd == GD_AT_END || foot.grain != v->grain ||
	    foot.gtes != v->gtes)
		return img_damaged(e, "its footer contradicts its header");
	v->gd = foot.gd;
	return 0;
}

static int check_grain(struct vmdk *v, uint32_t at, struct err *e)
{
	uint64_t off = at * SECTOR;
	uint8_t m[12];

	if (at == 0 || (at == 1 && (v->flags & FLAG_ZERO_GTE)))
		return 0;
	/* A stored grain takes its size, a compressed one at least a sector: told at once, as a
	 * file of some KiB can name one grain a hundred million times. */
	v->used++;
	if (v->used * (v->flags & FLAG_COMPRESS ? 1 : v->grain) > v->s->size / SECTOR + v->grain)
		return img_damaged(e, "the same data stands for many places of the disk");
	if (!(v->flags & FLAG_COMPRESS))
		return range_ok(off, v->grain * SECTOR, v->s->size) ? 0 : img_truncated(e);
	if (!(v->flags & FLAG_MARKERS))
		return img_damaged(e, "compressed grains without markers");
	if (img_read(v->s, off, m, sizeof(m)) < 0 ||
	    !range_ok(off + 12, get_le32(m + 8), v->s->size))
		return img_truncated(e);
	if (get_le32(m + 8) > 2 * v->grain * SECTOR + 1024)
		return img_damaged(e, "a compressed grain is larger than it can be");
	return 0;
}

static int walk(struct vmdk *v, struct err *e)
{
	uint64_t grains = (v->capacity + v->grain - 1) / v->grain;
	uint64_t tables = (grains + v->gtes - 1) / v->gtes;
	cleanup_free uint8_t *gt = img_alloc(v->gtes * 4ull);
	uint8_t b[4];
	int r;

	if (!gt)
		return -ENOMEM;
	for (uint64_t i = 0; i < tables; i++) {
		if (v->gd > UINT64_MAX / SECTOR - tables ||
		    img_read(v->s, v->gd * SECTOR + 4 * i, b, 4) < 0)
			return img_truncated(e);
		if (get_le32(b) == 0)
			continue;
		if (img_read(v->s, get_le32(b) * SECTOR, gt, v->gtes * 4ull) < 0)
			return img_truncated(e);
		for (uint64_t k = 0; k < v->gtes && i * v->gtes + k < grains; k++) {
			if ((r = check_grain(v, get_le32(gt + 4 * k), e)) < 0)
				return r;
		}
	}
	return 0;
}

int img_vmdk_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		   struct err *e)
{
	struct vmdk v = {.s = s};
	int r;

	if ((r = read_header(&v, e)) < 0)
		return r;
	if (v.capacity > UINT64_MAX / SECTOR)
		return img_virtual_ok(UINT64_MAX, lim, e);
	if ((r = img_virtual_ok(v.capacity * SECTOR, lim, e)) < 0)
		return r;
	if (v.grain < 8 || v.grain > 4096 || (v.grain & (v.grain - 1)) || v.gtes != 512)
		return img_damaged(e, "its grain size is impossible");
	if (v.capacity / v.grain > GRAINS_MAX)
		return img_damaged(e, "its grains are too small for its size");
	if ((r = check_descriptor(&v, e)) < 0)
		return r;
	if ((r = walk(&v, e)) < 0)
		return r;
	d->virtual_bytes = v.capacity * SECTOR;
	d->data_bytes = v.used * v.grain * SECTOR;
	return 0;
}
