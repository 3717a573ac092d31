/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Between session_view.c (picture) and view_input.c (keyboard and pointer). GTK thread only.
 */
#ifndef PANE_CLIENTS_THIN_VIEW_PRIV_H
#define PANE_CLIENTS_THIN_VIEW_PRIV_H

#include "clients/thin/fit.h"
#include "clients/thin/session_view.h"

struct _ThinView {
	GtkWidget parent;
	struct thin_session *session; /* a reference, or NULL */

	GdkTexture **tiles; /* owned; cols * rows, NULL where nothing was painted */
	int cols, rows;
	int width, height; /* desktop px the tiles make up; 0 = no picture */
	unsigned layout;
	bool showing;	 /* the tiles are of this session */
	bool grace_over; /* show what is there, whole or not */
	guint grace_id, resize_id;

	thin_view_fn menu, fullscreen;
	void *arg;
	uint8_t down[64];	 /* evdev codes pressed in this window, to tell repeats */
	unsigned buttons;	 /* pressed in this window */
	double wheel_x, wheel_y; /* fractions of a wheel unit carried over */
	double x, y;		 /* last pointer position, logical px */
};

void thin_view_add_controllers(ThinView *v);
struct thin_fit thin_view_fit(ThinView *v);

#endif
