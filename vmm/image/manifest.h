/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The manifest of an appliance (DSP0243 §5.1): lines "SHA256(name)= hex", one a file.
 */
#ifndef PANE_IMAGE_MANIFEST_H
#define PANE_IMAGE_MANIFEST_H

#include "vmm/image/tar.h"

#define IMG_MANIFEST_MAX 65536 /* bytes */

struct img_digest {
	char name[IMG_NAME_MAX];
	char algorithm[8]; /* "SHA1", "SHA256" or "SHA512" */
	char hex[129];	   /* lower case */
};

struct img_manifest {
	struct img_digest v[IMG_MEMBERS_MAX];
	size_t n;
};

/* text is NUL-terminated. */
int img_manifest_parse(const char *text, struct img_manifest *m, struct err *e) must_check;
/* Every file of the manifest must be there with that content, and every member but the manifest and
 * its certificate must be in the manifest. */
int img_manifest_verify(const struct img_manifest *m, const struct img_tar *t, img_tick_fn tick,
			void *arg, struct err *e) must_check;

#endif
