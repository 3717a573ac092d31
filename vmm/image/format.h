/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a disk file is, and whether its own tables are to be trusted. Every header is checked, and
 * every table that says where data lies is walked, before another program sees the file: nothing
 * may point outside the file, at another file, or at the same data twice.
 */
#ifndef PANE_IMAGE_FORMAT_H
#define PANE_IMAGE_FORMAT_H

#include "vmm/image/source.h"

enum img_format {
	IMG_RAW,
	IMG_QCOW2,
	IMG_VMDK,
	IMG_VDI,
	IMG_VHDX
};

struct img_disk {
	enum img_format format;
	uint64_t virtual_bytes;
	uint64_t data_bytes; /* at most so much of the virtual disk is not zero */
};

struct img_limits {
	uint64_t virtual_bytes; /* largest virtual disk that is taken */
	uint64_t data_bytes;	/* largest amount of data that is written */
};

/* "raw", "qcow2", …: also qemu's names of the drivers. */
const char *img_format_name(enum img_format f);
/* The format by its magic, or a refusal of what is known not to be a disk (archives, CD images).
 * What has no magic is raw. */
int img_format_detect(const struct img_src *s, enum img_format *f, struct err *e) must_check;
/* Detects and checks everything, against the limits too. */
int img_format_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		     struct err *e) must_check;

/* One check a format; each in its file. d->format is set by the caller. */
int img_qcow2_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		    struct err *e) must_check;
int img_vmdk_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		   struct err *e) must_check;
int img_vdi_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		  struct err *e) must_check;
int img_vhdx_check(const struct img_src *s, const struct img_limits *lim, struct img_disk *d,
		   struct err *e) must_check;

/* Shared refusals, so that every format says them alike. */
int img_truncated(struct err *e) must_check;
int img_damaged(struct err *e, const char *what) must_check;
int img_virtual_ok(uint64_t bytes, const struct img_limits *lim, struct err *e) must_check;

#endif
