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

	if (disp_ctl_parse(data, size, &w) != 1)
		return 0;
	if (!w.n || w.n > SURFACE_MAX_MONITORS)
		abort();
	for (uint32_t i = 0; i < w.n; i++) {
		const struct surface_rect *r = &w.monitors[i];

		if (r->x < 0 || r->y < 0 || r->width < 1 || r->height < 1 ||
		    r->x + r->width > SURFACE_MAX_DIM || r->y + r->height > SURFACE_MAX_DIM)
			abort();
	}
	return 0;
}
