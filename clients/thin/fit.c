/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Letterbox arithmetic; see fit.h.
 */
#include "clients/thin/fit.h"

#define SIZE_MIN_PX 200
#define SIZE_MAX_PX 8192

struct thin_fit thin_fit(int desktop_w, int desktop_h, int widget_w, int widget_h, int device)
{
	struct thin_fit f = {.scale = 1.0 / device};
	double sx = (double)widget_w / desktop_w, sy = (double)widget_h / desktop_h;
	int spare_w = widget_w * device - desktop_w, spare_h = widget_h * device - desktop_h;

	/* An odd or too small window leaves a pixel or two over: not worth blurring all. */
	if (spare_w < 0 || spare_h < 0 || (spare_w > 3 && spare_h > 3))
		f.scale = sx < sy ? sx : sy;
	f.x = (int)((widget_w - desktop_w * f.scale) / 2 * device) / (double)device;
	f.y = (int)((widget_h - desktop_h * f.scale) / 2 * device) / (double)device;
	return f;
}

static int clamp(double v, int max)
{
	return v < 0 ? 0 : v > max ? max : (int)v;
}

void thin_fit_point(const struct thin_fit *f, int desktop_w, int desktop_h, double x, double y,
		    int *out_x, int *out_y)
{
	*out_x = clamp((x - f->x) / f->scale, desktop_w - 1);
	*out_y = clamp((y - f->y) / f->scale, desktop_h - 1);
}

static int limit(int v)
{
	return v < SIZE_MIN_PX ? SIZE_MIN_PX : v > SIZE_MAX_PX ? SIZE_MAX_PX : v;
}

void thin_fit_wanted(int widget_w, int widget_h, int device, int *out_w, int *out_h)
{
	*out_w = limit(widget_w * device) & ~1;
	*out_h = limit(widget_h * device);
}
