/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's messages on the display control channel.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "common/surface.h"
#include "display/rdp/dispctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dispctl_wish w;

	if (disp_ctl_parse(data, size, &w) == 1 &&
	    (!w.width || !w.height || w.width > SURFACE_MAX_DIM || w.height > SURFACE_MAX_DIM))
		abort();
	return 0;
}
