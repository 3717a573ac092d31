/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's messages on the graphics channel, with frames sent in between.
 */
#include <stddef.h>
#include <stdint.h>
#include "display/rdp/gfx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	(void)p;
	return n ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gfx g; /* the compressor is large: made once */
	static uint32_t px[16];
	struct surface_rect r = {0, 0, 4, 4};

	if (!g.zgfx && disp_gfx_init(&g, on_send, NULL) < 0)
		return 0;
	/* Messages are cut where a byte says, as the channel would deliver them. */
	while (size > 1) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		if (disp_gfx_receive(&g, data + 1, n) < 0)
			break;
		data += 1 + n;
		size -= 1 + n;
		if (disp_gfx_ready(&g) && disp_gfx_writer.begin(&g) == 0 &&
		    disp_gfx_writer.image(&g, &r, px, 4) == 0 && disp_gfx_writer.end(&g) == 0)
			px[0]++;
	}
	g.open = g.suspended = g.has_surface = false;
	g.in_flight = g.bytes_in_flight = 0;
	return 0;
}
