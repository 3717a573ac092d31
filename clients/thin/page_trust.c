/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * First use of a server whose certificate no CA vouches for; see pages.h. The safe choice has
 * the focus.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "common/language.h"

static void on_trust(gpointer arg)
{
	thin_app_trust(arg);
}

static void on_back(gpointer arg)
{
	thin_app_back(arg);
}

void thin_page_trust_init(struct thin_page_trust *p, struct thin_app *app)
{
	GtkWidget *box, *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);

	p->app = app;
	p->root = thin_look_page(520, &box);
	gtk_box_append(GTK_BOX(box), thin_look_label(_("Is this your server?"), "title"));
	p->host = thin_look_label("", "cause");
	p->why = thin_look_label("", "small");
	p->fingerprint = thin_look_label("", "mono");
	gtk_widget_add_css_class(p->fingerprint, "desktop");
	gtk_label_set_selectable(GTK_LABEL(p->fingerprint), TRUE);
	p->subject = thin_look_label("", "small");
	gtk_box_append(GTK_BOX(box), p->host);
	gtk_box_append(GTK_BOX(box),
		       thin_look_label(_("Compare this fingerprint (SHA-256) with the "
					 "one your administrator gave you:"),
				       NULL));
	gtk_box_append(GTK_BOX(box), p->fingerprint);
	gtk_box_append(GTK_BOX(box), p->subject);
	gtk_box_append(GTK_BOX(box), p->why);
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Back"), "main", G_CALLBACK(on_back), app));
	gtk_box_append(GTK_BOX(buttons), thin_look_button(_("It is the same: _trust this server"),
							  NULL, G_CALLBACK(on_trust), app));
	gtk_widget_set_halign(buttons, GTK_ALIGN_END);
	gtk_widget_set_margin_top(buttons, 8);
	gtk_box_append(GTK_BOX(box), buttons);
}

void thin_page_trust_show(struct thin_page_trust *p, const char *host,
			  const struct thin_pin_info *info, const char *why)
{
	g_autofree char *text = g_strdup_printf(_("%s is used for the first time, and no known "
						  "authority vouches for it."),
						host);
	g_autofree char *subject =
		g_strdup_printf(_("Certificate %s, valid until %s"), info->subject, info->until);

	gtk_label_set_text(GTK_LABEL(p->host), text);
	gtk_label_set_text(GTK_LABEL(p->fingerprint), info->sha256);
	gtk_label_set_text(GTK_LABEL(p->subject), subject);
	gtk_label_set_text(GTK_LABEL(p->why), why);
}
