/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dispctl.h.
 */
#include "display/rdp/dispctl.h"

#include <errno.h>
#include "common/surface.h"
#include "common/wire.h"

#define TYPE_MONITOR_LAYOUT 2
#define TYPE_CAPS	    5
#define MONITOR_SIZE	    40 /* [MS-RDPEDISP] 2.2.2.2.1 */
#define MONITOR_PRIMARY	    1
#define MONITORS_MAX	    64
#define SIZE_MIN	    200 /* the smallest either way, 2.2.2.2.1 */

void disp_ctl_caps(uint8_t out[DISPCTL_CAPS_SIZE])
{
	put_le32(out, TYPE_CAPS);
	put_le32(out + 4, DISPCTL_CAPS_SIZE);
	put_le32(out + 8, 1); /* monitors */
	put_le32(out + 12, SURFACE_MAX_DIM);
	put_le32(out + 16, SURFACE_MAX_DIM);
}

static int parse_monitor(const uint8_t *p, struct dispctl_wish *w)
{
	uint32_t width = get_le32(p + 12), height = get_le32(p + 16), scale = get_le32(p + 32);

	if (width < SIZE_MIN || height < SIZE_MIN || width > SURFACE_MAX_DIM ||
	    height > SURFACE_MAX_DIM)
		return -EPROTO;
	w->width = width & ~1u; /* 2.2.2.2.1: the width is even */
	w->height = height;
	w->scale_percent = scale >= 100 && scale <= 500 ? scale : 100;
	return 1;
}

int disp_ctl_parse(const uint8_t *p, size_t n, struct dispctl_wish *w)
{
	uint32_t length, size, count;
	const uint8_t *best;

	*w = (struct dispctl_wish){0, 0, 100};
	if (n < 8)
		return -EPROTO;
	length = get_le32(p + 4);
	if (length < 8 || length > n)
		return -EPROTO;
	if (get_le32(p) != TYPE_MONITOR_LAYOUT)
		return 0;
	if (length < 16)
		return -EPROTO;
	size = get_le32(p + 8);
	count = get_le32(p + 12);
	if (size != MONITOR_SIZE || count > MONITORS_MAX || (length - 16) / MONITOR_SIZE < count)
		return -EPROTO;
	if (!count)
		return 0;
	best = p + 16;
	for (uint32_t i = 0; i < count; i++) {
		if (get_le32(p + 16 + i * MONITOR_SIZE) & MONITOR_PRIMARY)
			best = p + 16 + i * MONITOR_SIZE;
	}
	return parse_monitor(best, w);
}
