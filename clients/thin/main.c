/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-thin: the thin client terminal's login, desktop list and session window. Talks REST to the
 * gateway's HTTPS port and RDP to its RDP port, and never stores a password.
 */
#include "clients/thin/app.h"
#include "common/log.h"

#include <gtk/gtk.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct thin_options opts = {0};
	struct err e = {0};
	int r;

	log_init("pane-thin", LOG_WARN);
	r = thin_options_parse(&opts, &argc, &argv, &e);
	if (r < 0)
		fprintf(stderr, "pane-thin: %s\n", e.msg);
	if (r) {
		thin_options_free(&opts);
		return r < 0 ? 2 : 0;
	}
	if (!gtk_init_check()) {
		fprintf(stderr,
			"pane-thin: no display: set DISPLAY or WAYLAND_DISPLAY, or start it "
			"under cage\n");
		thin_options_free(&opts);
		return 1;
	}
	r = thin_app_run(&opts);
	thin_options_free(&opts);
	return r;
}
