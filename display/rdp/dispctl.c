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
#define SIZE_MIN	    200 /* the smallest either way, 2.2.2.2.1 */
#define PLACE_MAX	    32768

void disp_ctl_caps(uint8_t out[DISPCTL_CAPS_SIZE], uint32_t monitors)
{
	put_le32(out, TYPE_CAPS);
	put_le32(out + 4, DISPCTL_CAPS_SIZE);
	put_le32(out + 8, monitors);
	/* The area is the product of the three. */
	put_le32(out + 12, SURFACE_MAX_DIM / 4);
	put_le32(out + 16, SURFACE_MAX_DIM / 4);
}

static int parse_monitor(const uint8_t *p, struct surface_rect *r, uint32_t *scale)
{
	uint32_t width = get_le32(p + 12), height = get_le32(p + 16), percent = get_le32(p + 32);
	int32_t x = (int32_t)get_le32(p + 4), y = (int32_t)get_le32(p + 8);

	if (width < SIZE_MIN || height < SIZE_MIN || width > SURFACE_MAX_DIM ||
	    height > SURFACE_MAX_DIM || x < -PLACE_MAX || x > PLACE_MAX || y < -PLACE_MAX ||
	    y > PLACE_MAX)
		return -EPROTO;
	/* 2.2.2.2.1: the width is even */
	*r = (struct surface_rect){x, y, (int32_t)(width & ~1u), (int32_t)height};
	*scale = percent >= 100 && percent <= 500 ? percent : 100;
	return 0;
}

bool disp_ctl_place(uint32_t n, struct surface_rect *r, uint32_t primary)
{
	struct surface_rect first = r[primary];
	int32_t x0 = INT32_MAX, y0 = INT32_MAX, x1 = INT32_MIN, y1 = INT32_MIN;

	r[primary] = r[0];
	r[0] = first;
	for (uint32_t i = 0; i < n; i++) {
		x0 = r[i].x < x0 ? r[i].x : x0;
		y0 = r[i].y < y0 ? r[i].y : y0;
		x1 = r[i].x + r[i].width > x1 ? r[i].x + r[i].width : x1;
		y1 = r[i].y + r[i].height > y1 ? r[i].y + r[i].height : y1;
	}
	for (uint32_t i = 0; i < n; i++) {
		r[i].x -= x0;
		r[i].y -= y0;
	}
	return x1 - x0 <= SURFACE_MAX_DIM && y1 - y0 <= SURFACE_MAX_DIM;
}

int disp_ctl_parse(const uint8_t *p, size_t n, struct dispctl_wish *w)
{
	uint32_t length, size, count, primary = 0, scale;

	*w = (struct dispctl_wish){.scale_percent = 100};
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
	if (size != MONITOR_SIZE || count > SURFACE_MAX_MONITORS ||
	    (length - 16) / MONITOR_SIZE < count)
		return -EPROTO;
	p += 16;
	for (w->n = 0; w->n < count; w->n++, p += MONITOR_SIZE) {
		bool is_primary = get_le32(p) & MONITOR_PRIMARY;

		if (parse_monitor(p, &w->monitors[w->n], &scale) < 0)
			return -EPROTO;
		if (!w->n || is_primary) {
			primary = w->n;
			w->scale_percent = scale;
		}
	}
	if (w->n && !disp_ctl_place(w->n, w->monitors, primary)) {
		w->n = 1; /* more than a surface holds: the primary one */
		w->monitors[0].x = w->monitors[0].y = 0;
	}
	return w->n != 0;
}
