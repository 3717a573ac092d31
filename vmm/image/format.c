/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See format.h.
 */
#include "vmm/image/format.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

const char *img_format_name(enum img_format f)
{
	static const char *const names[] = {"raw", "qcow2", "vmdk", "vdi", "vhdx"};

	return names[f];
}

int img_truncated(struct err *e)
{
	return err_setw(
		e, -ENODATA, "image.truncated",
		"the file is cut short: parts of the disk lie beyond its end. Fetch it again");
}

int img_damaged(struct err *e, const char *what)
{
	return err_setw(e, -EINVAL, "image.damaged",
			"the file is damaged or was made to mislead: %s. Export the disk again",
			what);
}

int img_virtual_ok(uint64_t bytes, const struct img_limits *lim, struct err *e)
{
	if (bytes == 0)
		return img_damaged(e, "its virtual size is zero");
	if (bytes > lim->virtual_bytes)
		return err_setw(
			e, -EFBIG, "image.size",
			"the virtual disk is %llu MiB large, at most %llu are taken: shrink "
			"it, or allow more with --max-virtual",
			(unsigned long long)(bytes >> 20),
			(unsigned long long)(lim->virtual_bytes >> 20));
	return 0;
}

static int detect_other(const uint8_t *b, const struct img_src *s, struct err *e)
{
	static const struct {
		const char *magic, *what, *next;
		size_t n;
	} other[] = {
		{"\x1f\x8b", "gzip", "unpack it first", 2},
		{"\xfd"
		 "7zXZ",
		 "xz", "unpack it first", 5},
		{"BZh", "bzip2", "unpack it first", 3},
		{"\x28\xb5\x2f\xfd", "zstd", "unpack it first", 4},
		{"PK\3\4", "zip", "unpack it first", 4},
		{"7z\xbc\xaf", "7-Zip", "unpack it first", 4},
		{"conectix", "VHD", "convert it to VHDX first", 8},
		{"QED\0", "QED", "convert it to qcow2 first", 4},
		{"COWD", "old VMDK", "export it as a stream-optimised VMDK", 4},
		{"LUKS\xba\xbe", "LUKS encrypted", "decrypt it first", 6},
		{"\x7f"
		 "ELF",
		 "ELF", "this is a program, not a disk", 4},
	};
	uint8_t cd[5];

	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		if (!memcmp(b, other[i].magic, other[i].n))
			return err_setw(e, -EOPNOTSUPP,
					other[i].magic[0] == 'L' ? "image.encrypted"
								 : "image.format",
					"this is a %s file: %s", other[i].what, other[i].next);
	}
	if (img_read(s, 0x8001, cd, 5) == 0 && !memcmp(cd, "CD001", 5))
		return err_setw(e, -EOPNOTSUPP, "image.format",
				"this is a CD image: install from it into a desktop, an image is "
				"the installed disk");
	return 0;
}

int img_format_detect(const struct img_src *s, enum img_format *f, struct err *e)
{
	uint8_t b[512] = {0};
	size_t n = s->size < sizeof(b) ? (size_t)s->size : sizeof(b);
	int r = img_read(s, 0, b, n);

	if (r < 0)
		return err_set(e, r, "reading: %s", strerror(-r));
	*f = IMG_RAW;
	if (!memcmp(b, "QFI\xfb", 4))
		*f = IMG_QCOW2;
	else if (!memcmp(b, "KDMV", 4) || !memcmp(b, "# Disk DescriptorFile", 21))
		*f = IMG_VMDK;
	else if (get_le32(b + 64) == 0xbeda107f)
		*f = IMG_VDI;
	else if (!memcmp(b, "vhdxfile", 8))
		*f = IMG_VHDX;
	else
		return detect_other(b, s, e);
	return 0;
}

/* A raw disk has no header; what makes it one is a boot sector or a file system at its start. */
static int raw_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		     struct err *e)
{
	uint8_t sector[512], super[2];

	d->virtual_bytes = (s->size + 511) / 512 * 512;
	d->data_bytes = d->virtual_bytes;
	if (img_read(s, 0, sector, 512) == 0 && get_le16(sector + 510) == 0xaa55)
		return img_virtual_ok(d->virtual_bytes, lim, e);
	if (img_read(s, 1024 + 56, super, 2) == 0 && get_le16(super) == 0xef53)
		return img_virtual_ok(d->virtual_bytes, lim, e);
	return err_setw(
		e, -EINVAL, "image.format",
		"this is no disk: neither a known format, nor a partition table, nor a file "
		"system. Give a raw, qcow2, vmdk, vdi, vhdx or OVA file");
}

int img_format_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		     struct err *e)
{
	static int (*const check[])(const struct img_src *, const struct img_limits *,
				    struct img_disk *, struct err *) = {
		[IMG_RAW] = raw_check,	     [IMG_QCOW2] = img_qcow2_check,
		[IMG_VMDK] = img_vmdk_check, [IMG_VDI] = img_vdi_check,
		[IMG_VHDX] = img_vhdx_check,
	};
	int r;

	*d = (struct img_disk){0};
	if ((r = img_format_detect(s, &d->format, e)) < 0 ||
	    (r = check[d->format](s, lim, d, e)) < 0)
		return r;
	if (d->format != IMG_RAW && d->data_bytes > lim->data_bytes)
		return err_setw(e, -EFBIG, "image.bytes",
				"the disk unpacks to %llu MiB of data, at most %llu are taken: "
				"allow more with --max-bytes",
				(unsigned long long)(d->data_bytes >> 20),
				(unsigned long long)(lim->data_bytes >> 20));
	return 0;
}
