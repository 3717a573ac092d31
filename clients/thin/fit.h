/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where a desktop picture lies in the window: 1:1 in device pixels when it fits nearly, else
 * scaled down or up to fill with its proportions kept, centred. Pure arithmetic.
 */
#ifndef PANE_CLIENTS_THIN_FIT_H
#define PANE_CLIENTS_THIN_FIT_H

struct thin_fit {
	double x, y;  /* top left of the picture, logical px of the widget */
	double scale; /* logical px a desktop px */
};

/* desktop: px; widget: logical px; device: device px a logical px. */
struct thin_fit thin_fit(int desktop_w, int desktop_h, int widget_w, int widget_h, int device);
/* A point of the widget to a desktop pixel, clamped into the desktop. */
void thin_fit_point(const struct thin_fit *f, int desktop_w, int desktop_h, double x, double y,
		    int *out_x, int *out_y);
/* The desktop size to ask for ([MS-RDPEDISP] 2.2.2.2.1: even width, 200..8192). */
void thin_fit_wanted(int widget_w, int widget_h, int device, int *out_w, int *out_h);

#endif
