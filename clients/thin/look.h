/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The appearance all pages share: the style sheet, the Pane mark, a centred card, small helpers.
 */
#ifndef PANE_CLIENTS_THIN_LOOK_H
#define PANE_CLIENTS_THIN_LOOK_H

#include <gtk/gtk.h>

void thin_look_init(GdkDisplay *display, bool dark);
/* The mark: a window of four panes, one of them lit. */
GtkWidget *thin_look_mark(int size_px);
/* A page: a card of width_px in the middle of the window; *body is the vertical box within. */
GtkWidget *thin_look_page(int width_px, GtkWidget **body);
GtkWidget *thin_look_label(const char *text, const char *css_class);
/* An underscore stands before the letter that Alt presses it by, here and in the other. */
GtkWidget *thin_look_button(const char *text, const char *css_class, GCallback fn, gpointer arg);
void thin_look_button_text(GtkWidget *button, const char *text);

#endif
