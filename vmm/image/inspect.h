/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a file is, without keeping anything: format, size, hardware an appliance asks for,
 * partitions, and how a desktop would boot from it.
 */
#ifndef PANE_IMAGE_INSPECT_H
#define PANE_IMAGE_INSPECT_H

#include <stdbool.h>
#include "vmm/image/format.h"

struct img_inspect {
	const char *file;
	unsigned disk; /* of an appliance, from 1; 0: the first */
	bool json;
	bool quick; /* do not unpack the disk to look inside */
	struct img_limits lim;
	int cancel_fd;
};

int img_inspect(const struct img_inspect *q, struct err *e) must_check;

#endif
