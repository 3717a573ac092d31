/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of contents of an appliance (OVA: a tar of plain files, DSP0243 §5.3). Nothing is ever
 * unpacked: a member is a window of the file. Links, devices, directories, paths and repeated names
 * have no business there and are refused.
 */
#ifndef PANE_IMAGE_TAR_H
#define PANE_IMAGE_TAR_H

#include <stdbool.h>
#include "vmm/image/source.h"

#define IMG_MEMBERS_MAX 64
#define IMG_NAME_MAX	101

struct img_member {
	char name[IMG_NAME_MAX]; /* a plain file name, safe to print */
	struct img_src src;
};

struct img_tar {
	struct img_member v[IMG_MEMBERS_MAX];
	size_t n;
};

/* True when the first block looks like a tar header. */
bool img_tar_magic(const struct img_src *s);
int img_tar_read(const struct img_src *s, struct img_tar *t, struct err *e) must_check;
/* NULL when there is none of that name. */
const struct img_member *img_tar_find(const struct img_tar *t, const char *name);
/* True when name can stand for a file beside the others: no path, nothing unprintable. */
bool img_plain_name(const char *name);

#endif
