/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the file an administrator brought to an image directory (docs/contracts.md): checked by our
 * own parsers first, unpacked by qemu-img in the sandbox, looked into, described, put in place.
 */
#ifndef PANE_IMAGE_CONVERT_H
#define PANE_IMAGE_CONVERT_H

#include <stdbool.h>
#include "vmm/image/disk.h"
#include "vmm/image/package.h"

struct img_convert {
	const char *file, *out_dir, *name;
	const char *sha256; /* what the file must have, NULL: anything */
	unsigned disk;	    /* of an appliance, from 1; 0: the only one */
	struct img_limits lim;
	int cancel_fd;
};

int img_convert(const struct img_convert *c, struct err *e) must_check;

/* Unpacks one checked disk into work_dir/disk.raw. done: called with how far it is. */
int img_unpack(const struct img_package_disk *pd, const struct img_disk *d, const char *work_dir,
	       uint64_t max_data, int cancel_fd, img_tick_fn done, void *arg,
	       struct err *e) must_check;

#endif
