/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The error page; see pages.h: cause, next step, and the id for the helpdesk (selectable).
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "common/language.h"

static void on_again(gpointer arg)
{
	thin_app_again(arg);
}

static void on_back(gpointer arg)
{
	thin_app_back(arg);
}

void thin_page_error_init(struct thin_page_error *p, struct thin_app *app)
{
	GtkWidget *box, *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);

	p->app = app;
	p->root = thin_look_page(480, &box);
	p->title = thin_look_label("", "title");
	p->cause = thin_look_label("", "problem");
	p->next = thin_look_label("", "cause");
	p->id = thin_look_label("", "mono");
	gtk_label_set_selectable(GTK_LABEL(p->id), TRUE);
	gtk_label_set_selectable(GTK_LABEL(p->cause), TRUE);
	gtk_box_append(GTK_BOX(box), p->title);
	gtk_box_append(GTK_BOX(box), p->cause);
	gtk_box_append(GTK_BOX(box), p->next);
	gtk_box_append(GTK_BOX(box), p->id);
	p->again = thin_look_button(_("_Try again"), "main", G_CALLBACK(on_again), app);
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Back"), NULL, G_CALLBACK(on_back), app));
	gtk_box_append(GTK_BOX(buttons), p->again);
	gtk_widget_set_halign(buttons, GTK_ALIGN_END);
	gtk_widget_set_margin_top(buttons, 8);
	gtk_box_append(GTK_BOX(box), buttons);
}

void thin_page_error_show(struct thin_page_error *p, const struct thin_problem *why, bool again)
{
	g_autofree char *id = g_strdup_printf(_("%s · id %s"), why->word, why->id);

	gtk_label_set_text(GTK_LABEL(p->title), why->title);
	gtk_label_set_text(GTK_LABEL(p->cause), why->cause);
	gtk_label_set_text(GTK_LABEL(p->next), why->next);
	gtk_label_set_text(GTK_LABEL(p->id), id);
	gtk_widget_set_visible(p->again, again);
}
