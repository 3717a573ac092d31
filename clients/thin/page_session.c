/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The session page; see pages.h: the view, a toolbar that slides in when the pointer touches the
 * top edge or by Ctrl+Alt+Home, a hint at the start, and a veil while reconnecting.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "clients/thin/session_view.h"
#include "common/language.h"

#include <linux/input-event-codes.h>

#define HINT_MS	   6000
#define EDGE_PX	   2
#define TOOLBAR_PX 56

static void reveal(struct thin_page_session *p, bool on)
{
	gtk_revealer_set_reveal_child(GTK_REVEALER(p->toolbar), on);
	if (!on) {
		p->held_open = false;
		gtk_widget_grab_focus(p->view);
	}
}

static void on_motion(GtkEventControllerMotion *c, double x, double y, gpointer arg)
{
	struct thin_page_session *p = arg;
	bool shown = gtk_revealer_get_reveal_child(GTK_REVEALER(p->toolbar));

	(void)c, (void)x;
	if (!shown && y < EDGE_PX)
		reveal(p, true);
	else if (shown && !p->held_open && y > TOOLBAR_PX)
		reveal(p, false);
}

static void on_fullscreen(gpointer arg)
{
	struct thin_page_session *p = arg;

	reveal(p, false);
	thin_app_toggle_fullscreen(p->app);
}

static void on_cad(gpointer arg)
{
	struct thin_page_session *p = arg;

	reveal(p, false);
	thin_app_ctrl_alt_del(p->app);
}

static void on_disconnect(gpointer arg)
{
	struct thin_page_session *p = arg;

	reveal(p, false);
	thin_app_disconnect(p->app);
}

static gboolean on_toolbar_key(GtkEventControllerKey *c, guint keyval, guint keycode,
			       GdkModifierType state, gpointer arg)
{
	const GdkModifierType both = GDK_CONTROL_MASK | GDK_ALT_MASK;

	(void)c, (void)keycode;
	if (keyval != GDK_KEY_Escape && !(keyval == GDK_KEY_Home && (state & both) == both))
		return FALSE;
	reveal(arg, false);
	return TRUE;
}

static GtkWidget *make_toolbar(struct thin_page_session *p)
{
	GtkWidget *bar = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6), *r = gtk_revealer_new();
	GtkEventController *key = gtk_event_controller_key_new();

	gtk_widget_add_css_class(bar, "toolbar");
	p->name = gtk_label_new("");
	gtk_widget_set_margin_start(p->name, 8);
	gtk_widget_set_margin_end(p->name, 8);
	gtk_box_append(GTK_BOX(bar), p->name);
	p->full = thin_look_button(_("_Full screen"), NULL, G_CALLBACK(on_fullscreen), p);
	gtk_box_append(GTK_BOX(bar), p->full);
	gtk_box_append(GTK_BOX(bar),
		       thin_look_button(_("Ctrl+Alt+D_el"), NULL, G_CALLBACK(on_cad), p));
	gtk_box_append(GTK_BOX(bar),
		       thin_look_button(_("_Disconnect"), NULL, G_CALLBACK(on_disconnect), p));
	g_signal_connect(key, "key-pressed", G_CALLBACK(on_toolbar_key), p);
	gtk_widget_add_controller(bar, key);
	gtk_revealer_set_child(GTK_REVEALER(r), bar);
	gtk_widget_set_halign(r, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(r, GTK_ALIGN_START);
	return r;
}

static GtkWidget *make_dim(struct thin_page_session *p)
{
	GtkWidget *veil = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0), *card, *leave;

	card = gtk_box_new(GTK_ORIENTATION_VERTICAL, 10);
	gtk_widget_add_css_class(veil, "dim");
	gtk_widget_add_css_class(card, "card");
	gtk_widget_set_halign(card, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(card, GTK_ALIGN_CENTER);
	gtk_widget_set_vexpand(card, TRUE);
	p->dim_title = thin_look_label("", "title");
	p->dim_text = thin_look_label("", "subtitle");
	gtk_box_append(GTK_BOX(card), p->dim_title);
	gtk_box_append(GTK_BOX(card), p->dim_text);
	leave = thin_look_button(_("_Leave"), NULL, G_CALLBACK(on_disconnect), p);
	gtk_widget_set_halign(leave, GTK_ALIGN_END);
	gtk_box_append(GTK_BOX(card), leave);
	gtk_box_append(GTK_BOX(veil), card);
	gtk_widget_set_visible(veil, FALSE);
	return veil;
}

static void on_menu_key(void *arg)
{
	thin_page_session_menu(arg);
}

static void on_full_key(void *arg)
{
	on_fullscreen(arg);
}

static GtkWidget *make_mark(void)
{
	GtkWidget *mark = thin_look_label(_("The microphone is on"), "hint");

	gtk_widget_set_halign(mark, GTK_ALIGN_END);
	gtk_widget_set_valign(mark, GTK_ALIGN_START);
	gtk_widget_set_margin_top(mark, 8);
	gtk_widget_set_margin_end(mark, 8);
	gtk_widget_set_can_target(mark, FALSE);
	gtk_widget_set_visible(mark, FALSE);
	return mark;
}

void thin_page_session_microphone(struct thin_page_session *p, bool open)
{
	if (p->microphone)
		gtk_widget_set_visible(p->microphone, open);
}

void thin_page_session_init(struct thin_page_session *p, struct thin_app *app)
{
	GtkEventController *motion = gtk_event_controller_motion_new();
	GtkOverlay *over;

	p->app = app;
	p->root = gtk_overlay_new();
	over = GTK_OVERLAY(p->root);
	p->view = thin_view_new();
	/* Closing the window takes the widget before the app has ended the session. */
	g_object_add_weak_pointer(G_OBJECT(p->view), (gpointer *)&p->view);
	thin_view_on_hotkeys(THIN_VIEW(p->view), on_menu_key, on_full_key, p);
	gtk_overlay_set_child(over, p->view);
	p->dim = make_dim(p);
	gtk_overlay_add_overlay(over, p->dim);
	p->hint = thin_look_label(_("Ctrl+Alt+Home or the top edge opens the menu: full screen, "
				    "disconnect"),
				  "hint");
	gtk_label_set_max_width_chars(GTK_LABEL(p->hint), 80);
	gtk_widget_set_halign(p->hint, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(p->hint, GTK_ALIGN_START);
	gtk_widget_set_margin_top(p->hint, 24);
	gtk_widget_set_can_target(p->hint, FALSE);
	gtk_widget_set_visible(p->hint, FALSE);
	gtk_overlay_add_overlay(over, p->hint);
	p->microphone = make_mark();
	g_object_add_weak_pointer(G_OBJECT(p->microphone), (gpointer *)&p->microphone);
	gtk_overlay_add_overlay(over, p->microphone);
	p->toolbar = make_toolbar(p);
	gtk_overlay_add_overlay(over, p->toolbar);
	gtk_event_controller_set_propagation_phase(motion, GTK_PHASE_CAPTURE);
	g_signal_connect(motion, "motion", G_CALLBACK(on_motion), p);
	gtk_widget_add_controller(p->root, motion);
}

void thin_page_session_name(struct thin_page_session *p, const char *name)
{
	gtk_label_set_text(GTK_LABEL(p->name), name);
}

static gboolean on_hint_over(gpointer arg)
{
	struct thin_page_session *p = arg;

	p->hint_id = 0;
	gtk_widget_set_visible(p->hint, FALSE);
	return G_SOURCE_REMOVE;
}

void thin_page_session_hint(struct thin_page_session *p)
{
	g_clear_handle_id(&p->hint_id, g_source_remove);
	gtk_widget_set_visible(p->hint, TRUE);
	p->hint_id = g_timeout_add(HINT_MS, on_hint_over, p);
}

void thin_page_session_menu(struct thin_page_session *p)
{
	p->held_open = true;
	reveal(p, true);
	gtk_widget_grab_focus(p->full);
}

void thin_page_session_dim(struct thin_page_session *p, const char *title, const char *text)
{
	gtk_widget_set_visible(p->dim, title != NULL);
	if (title) {
		gtk_label_set_text(GTK_LABEL(p->dim_title), title);
		gtk_label_set_text(GTK_LABEL(p->dim_text), text ? text : "");
	}
}
