/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * qcow2 versions 2 and 3 (qemu docs/interop/qcow2.txt). Taken: a plain, clean, unencrypted disk
 * that is whole in this file. Refused: backing files, external data files, encryption, extended L2
 * entries, tables or clusters beyond the end, clusters used twice.
 */
#include "vmm/image/format.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define L1_MAX		 (4u << 20)   /* entries, 32 MiB, as qemu */
#define L2_TOTAL_MAX	 (1ull << 30) /* bytes of L2 tables that are walked */
#define OFFSET_MASK	 0x00fffffffffffe00ull
#define L2_COMPRESSED	 (1ull << 62)
#define L2_ZERO		 1ull
#define SNAPSHOTS_MAX	 65536u /* as qemu */
#define SNAPSHOT_MIN	 40ull
#define FEATURE_DIRTY	 1ull
#define FEATURE_CORRUPT	 2ull
#define FEATURE_DATAFILE 4ull
#define FEATURE_ZSTD	 8ull

struct qcow2 {
	const struct img_src *s;
	unsigned cluster_bits;
	uint64_t cluster, size, l1_off, l1_n;
	uint64_t plain;	   /* clusters stored as they are */
	uint64_t packed;   /* compressed clusters */
	uint64_t packed_s; /* sectors they say they take */
};

static int check_features(const uint8_t *h, uint32_t version, struct err *e)
{
	uint64_t f = version >= 3 ? get_be64(h + 72) : 0;

	if (get_be64(h + 8) || get_be32(h + 16))
		return err_setw(e, -EINVAL, "image.backing",
				"the disk is only the difference to a backing file; an image must "
				"stand alone: flatten it with qemu-img convert first");
	if (f & FEATURE_DATAFILE)
		return err_setw(e, -EINVAL, "image.backing",
				"the disk keeps its data in another file; an image must stand "
				"alone: flatten it with qemu-img convert first");
	if (get_be32(h + 32))
		return err_setw(e, -EINVAL, "image.encrypted",
				"the disk is encrypted: decrypt it with qemu-img convert first");
	if (f & FEATURE_CORRUPT)
		return img_damaged(e, "it is marked corrupt");
	if (f & ~(FEATURE_DIRTY | FEATURE_ZSTD))
		return err_setw(e, -EOPNOTSUPP, "image.format",
				"the disk uses qcow2 features that are not taken here: convert it "
				"with qemu-img convert -O qcow2 first");
	return 0;
}

/* The optional parts of the header: read by qemu before it looks at the disk. */
static int check_rest(const struct qcow2 *q, const uint8_t *h, uint32_t version, struct err *e)
{
	uint32_t len = get_be32(h + 100), snapshots = get_be32(h + 60);

	if (version == 3 && (len < 104 || len > q->cluster || len % 8))
		return img_damaged(e, "the length of its header is impossible");
	if (snapshots > SNAPSHOTS_MAX ||
	    (snapshots && !range_ok(get_be64(h + 64), SNAPSHOT_MIN * snapshots, q->s->size)))
		return img_damaged(e, "its list of snapshots is impossible");
	return 0;
}

static int read_header(struct qcow2 *q, const struct img_limits *lim, struct err *e)
{
	uint8_t h[104] = {0};
	uint32_t version, l1;
	uint64_t per_l2, need;
	int r;

	if (img_read(q->s, 0, h, 72) < 0)
		return img_truncated(e);
	version = get_be32(h + 4);
	if (version != 2 && version != 3)
		return err_setw(e, -EOPNOTSUPP, "image.format", "qcow2 version %u is not known",
				version);
	if (version == 3 && img_read(q->s, 0, h, sizeof(h)) < 0)
		return img_truncated(e);
	if ((r = check_features(h, version, e)) < 0)
		return r;
	q->cluster_bits = get_be32(h + 20);
	q->size = get_be64(h + 24);
	l1 = get_be32(h + 36);
	q->l1_off = get_be64(h + 40);
	if (q->cluster_bits < 9 || q->cluster_bits > 21)
		return img_damaged(e, "its cluster size is impossible");
	if ((r = img_virtual_ok(q->size, lim, e)) < 0)
		return r;
	q->cluster = 1ull << q->cluster_bits;
	per_l2 = q->cluster / 8 * q->cluster;
	need = q->size / per_l2 + (q->size % per_l2 != 0);
	if (l1 > L1_MAX || need > l1)
		return img_damaged(e, "its first table does not cover the disk");
	q->l1_n = need;
	if ((r = check_rest(q, h, version, e)) < 0)
		return r;
	if (!range_ok(q->l1_off, 8ull * l1, q->s->size) ||
	    !range_ok(get_be64(h + 48), (uint64_t)get_be32(h + 56) << q->cluster_bits, q->s->size))
		return img_truncated(e);
	if (need * q->cluster > L2_TOTAL_MAX)
		return err_setw(e, -EINVAL, "image.damaged",
				"the clusters of the disk are too small for its size: convert it "
				"with qemu-img convert -O qcow2 first");
	return 0;
}

static int check_packed(struct qcow2 *q, uint64_t entry, struct err *e)
{
	unsigned shift = 62 - (q->cluster_bits - 8);
	uint64_t off = entry & ((1ull << shift) - 1);
	uint64_t sectors = ((entry & (L2_COMPRESSED - 1)) >> shift) + 1;

	if (off >= q->s->size || sectors > q->s->size / 512 + 1 ||
	    off / 512 * 512 + sectors * 512 > q->s->size + 511)
		return img_truncated(e);
	q->packed++;
	q->packed_s += sectors;
	return 0;
}

/* index: of the guest's cluster, to know its last one. */
static int check_entry(struct qcow2 *q, uint64_t entry, uint64_t index, struct err *e)
{
	uint64_t off = entry & OFFSET_MASK, len = q->cluster;

	if (index >= (q->size + q->cluster - 1) >> q->cluster_bits)
		return 0;
	if (entry & L2_COMPRESSED)
		return check_packed(q, entry, e);
	if (off == 0 || (entry & L2_ZERO))
		return 0;
	if (off % q->cluster)
		return img_damaged(e, "a cluster lies askew");
	if ((index + 1) << q->cluster_bits > q->size)
		len = q->size - (index << q->cluster_bits);
	if (!range_ok(off, len, q->s->size))
		return img_truncated(e);
	q->plain++;
	return 0;
}

/* The active disk uses each cluster once; a compressed one shares two sectors at most. */
static bool once(const struct qcow2 *q)
{
	return q->plain * q->cluster <= q->s->size + q->cluster &&
	       q->packed_s <= q->s->size / 512 + 2 * q->packed + 1;
}

static int walk(struct qcow2 *q, struct err *e)
{
	cleanup_free uint8_t *l2 = img_alloc(q->cluster);
	uint64_t per = q->cluster / 8, off;
	uint8_t l1[8];
	int r;

	if (!l2)
		return -ENOMEM;
	for (uint64_t i = 0; i < q->l1_n; i++) {
		if (img_read(q->s, q->l1_off + 8 * i, l1, 8) < 0)
			return img_truncated(e);
		off = get_be64(l1) & OFFSET_MASK;
		if (off == 0)
			continue;
		if (off % q->cluster)
			return img_damaged(e, "a table lies askew");
		if (img_read(q->s, off, l2, q->cluster) < 0)
			return img_truncated(e);
		for (uint64_t k = 0; k < per; k++) {
			if ((r = check_entry(q, get_be64(l2 + 8 * k), i * per + k, e)) < 0)
				return r;
		}
		if (!once(q))
			return img_damaged(e, "the same data stands for many places of the disk");
	}
	return 0;
}

int img_qcow2_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		    struct err *e)
{
	struct qcow2 q = {.s = s};
	int r;

	if ((r = read_header(&q, lim, e)) < 0)
		return r;
	if ((r = walk(&q, e)) < 0)
		return r;
	d->virtual_bytes = q.size;
	d->data_bytes = (q.plain + q.packed) * q.cluster;
	return 0;
}
