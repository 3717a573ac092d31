/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The widget a session is seen and worked in: draws the picture 1:1 or letterboxed, turns keys,
 * pointer and wheel into input items, shows the server's pointer shape, and asks for a desktop
 * of the window's size when that changed. The last picture stays until a new session has painted
 * a whole one.
 */
#ifndef PANE_CLIENTS_THIN_SESSION_VIEW_H
#define PANE_CLIENTS_THIN_SESSION_VIEW_H

#include <gtk/gtk.h>
#include "clients/thin/session.h"

#define THIN_TYPE_VIEW (thin_view_get_type())
G_DECLARE_FINAL_TYPE(ThinView, thin_view, THIN, VIEW, GtkWidget)

GtkWidget *thin_view_new(void);
/* Shows s from now on (a reference is taken), or none. */
void thin_view_set_session(ThinView *v, struct thin_session *s);
/* Takes what changed in the picture; true when a whole picture of this session is shown. */
bool thin_view_update(ThinView *v);
void thin_view_update_pointer(ThinView *v);
/* Forgets the picture. */
void thin_view_clear(ThinView *v);
/* Ctrl+Alt+Home, and Ctrl+Alt+Enter. */
typedef void (*thin_view_fn)(void *arg);
void thin_view_on_hotkeys(ThinView *v, thin_view_fn menu, thin_view_fn fullscreen, void *arg);
/* Lets go of every key and button on the desktop. */
void thin_view_release(ThinView *v);
/* The desktop size that fits the widget (or fallback before it has one), and the scale. */
void thin_view_wanted(ThinView *v, int *width, int *height, int *scale_percent);

#endif
