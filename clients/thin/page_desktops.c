/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of desktops; see pages.h. One card a pool the person is entitled to, with the state
 * in words and a Connect button. Refreshed by the app while it is shown.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "common/language.h"

#include <string.h>

static void on_connect(GtkButton *b, gpointer arg)
{
	thin_app_connect(arg, g_object_get_data(G_OBJECT(b), "pool"));
}

static void state_of(const struct thin_desktop *d, const char **text, const char **style)
{
	*style = "";
	if (!strcmp(d->session, "connected")) {
		*text = _("In use");
		*style = "wait";
	} else if (!strcmp(d->session, "disconnected")) {
		*text = _("Running, waiting for you");
		*style = "good";
	} else if (!strcmp(d->machine, "ready")) {
		*text = _("Ready");
		*style = "good";
	} else if (!strcmp(d->machine, "failed")) {
		*text = _("Not available");
		*style = "bad";
	} else if (!d->machine[0] || !strcmp(d->machine, "none") || /* nobody's yet */
		   !strcmp(d->machine, "stopped") || !strcmp(d->machine, "absent")) {
		*text = _("Starts when you connect");
	} else {
		*text = _("Starting");
		*style = "wait";
	}
}

static GtkWidget *card(struct thin_page_desktops *p, const struct thin_desktop *d)
{
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 16), *button, *pill;
	GtkWidget *text = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
	char message[sizeof(d->message) + 80];
	const char *state, *style;

	state_of(d, &state, &style);
	gtk_widget_add_css_class(row, "desktop");
	gtk_box_append(GTK_BOX(text), thin_look_label(d->pool, "name"));
	pill = thin_look_label(state, "pill");
	gtk_widget_set_halign(pill, GTK_ALIGN_START);
	if (*style)
		gtk_widget_add_css_class(pill, style);
	gtk_box_append(GTK_BOX(text), pill);
	if (d->desktop[0])
		gtk_box_append(GTK_BOX(text), thin_look_label(d->desktop, "small"));
	if (d->message[0])
		gtk_box_append(GTK_BOX(text),
			       thin_look_label(language_said(d->message, message, sizeof(message)),
					       "subtitle"));
	gtk_widget_set_hexpand(text, TRUE);
	gtk_box_append(GTK_BOX(row), text);
	button = gtk_button_new_with_label(_("Connect"));
	gtk_widget_add_css_class(button, "action");
	gtk_widget_add_css_class(button, "main");
	gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
	g_object_set_data_full(G_OBJECT(button), "pool", g_strdup(d->pool), g_free);
	g_signal_connect(button, "clicked", G_CALLBACK(on_connect), p->app);
	gtk_box_append(GTK_BOX(row), button);
	return row;
}

static void on_sign_out(gpointer arg)
{
	thin_app_sign_out(arg);
}

void thin_page_desktops_init(struct thin_page_desktops *p, struct thin_app *app)
{
	GtkWidget *box, *head = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 16), *titles, *mark, *out;

	p->app = app;
	p->root = thin_look_page(560, &box);
	mark = thin_look_mark(32);
	gtk_widget_set_valign(mark, GTK_ALIGN_CENTER);
	gtk_box_append(GTK_BOX(head), mark);
	titles = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
	gtk_box_append(GTK_BOX(titles), thin_look_label(_("Your desktops"), "title"));
	p->who = thin_look_label("", "subtitle");
	gtk_box_append(GTK_BOX(titles), p->who);
	gtk_widget_set_hexpand(titles, TRUE);
	gtk_box_append(GTK_BOX(head), titles);
	out = thin_look_button(_("Sign _out"), NULL, G_CALLBACK(on_sign_out), app);
	gtk_widget_set_valign(out, GTK_ALIGN_CENTER);
	gtk_box_append(GTK_BOX(head), out);
	gtk_widget_set_margin_bottom(head, 8);
	gtk_box_append(GTK_BOX(box), head);
	p->empty = thin_look_label(_("There is no desktop for you yet. Ask your administrator to "
				     "entitle you to a desktop pool; this list updates by itself."),
				   "cause");
	gtk_box_append(GTK_BOX(box), p->empty);
	p->list = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
	gtk_box_append(GTK_BOX(box), p->list);
}

void thin_page_desktops_fill(struct thin_page_desktops *p, const char *user,
			     const struct thin_desktops *d)
{
	GtkWidget *old, *focus = NULL;
	g_autofree char *who = g_strdup_printf(_("Signed in as %s"), user);

	gtk_label_set_text(GTK_LABEL(p->who), who);
	while ((old = gtk_widget_get_first_child(p->list)))
		gtk_box_remove(GTK_BOX(p->list), old);
	for (int i = 0; i < d->n; i++) {
		GtkWidget *c = card(p, &d->item[i]);

		gtk_box_append(GTK_BOX(p->list), c);
		focus = focus ? focus : gtk_widget_get_last_child(c);
	}
	gtk_widget_set_visible(p->empty, d->n == 0);
	p->first = focus;
}
