/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connecting page; see pages.h. The bar shows the percent the server told; while none is known
 * it pulses.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "common/language.h"

#define PULSE_MS 120

static const char *const names[THIN_STEPS] = {
	[THIN_STEP_SIGN_IN] = N_("Signing in"),
	[THIN_STEP_ASSIGN] = N_("Finding your desktop"),
	[THIN_STEP_START] = N_("Starting the desktop"),
	[THIN_STEP_CONNECT] = N_("Connecting"),
	[THIN_STEP_PICTURE] = N_("Waiting for the first picture"),
};

static void on_cancel(gpointer arg)
{
	thin_app_cancel(arg);
}

void thin_page_connecting_init(struct thin_page_connecting *p, struct thin_app *app)
{
	GtkWidget *box, *cancel;

	p->app = app;
	p->root = thin_look_page(440, &box);
	p->title = thin_look_label("", "title");
	gtk_widget_set_margin_bottom(p->title, 8);
	gtk_box_append(GTK_BOX(box), p->title);
	for (int i = 0; i < THIN_STEPS; i++) {
		p->row[i] = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
		p->icon[i] = gtk_label_new("○");
		gtk_widget_add_css_class(p->row[i], "step");
		gtk_box_append(GTK_BOX(p->row[i]), p->icon[i]);
		gtk_box_append(GTK_BOX(p->row[i]), thin_look_label(_(names[i]), NULL));
		gtk_box_append(GTK_BOX(box), p->row[i]);
	}
	p->bar = gtk_progress_bar_new();
	gtk_widget_set_margin_top(p->bar, 8);
	gtk_accessible_update_property(GTK_ACCESSIBLE(p->bar), GTK_ACCESSIBLE_PROPERTY_LABEL,
				       _("Progress"), -1);
	gtk_box_append(GTK_BOX(box), p->bar);
	p->detail = thin_look_label("", "subtitle");
	gtk_box_append(GTK_BOX(box), p->detail);
	cancel = thin_look_button(_("_Cancel"), NULL, G_CALLBACK(on_cancel), app);
	gtk_widget_set_halign(cancel, GTK_ALIGN_END);
	gtk_widget_set_margin_top(cancel, 8);
	gtk_box_append(GTK_BOX(box), cancel);
}

static gboolean on_pulse(gpointer arg)
{
	struct thin_page_connecting *p = arg;

	gtk_progress_bar_pulse(GTK_PROGRESS_BAR(p->bar));
	return G_SOURCE_CONTINUE;
}

void thin_page_connecting_stop(struct thin_page_connecting *p)
{
	g_clear_handle_id(&p->pulse_id, g_source_remove);
}

static void mark_step(struct thin_page_connecting *p, int i, enum thin_step now)
{
	gtk_widget_remove_css_class(p->row[i], "now");
	gtk_widget_remove_css_class(p->row[i], "done");
	if (i == (int)now)
		gtk_widget_add_css_class(p->row[i], "now");
	else if (i < (int)now)
		gtk_widget_add_css_class(p->row[i], "done");
	gtk_label_set_text(GTK_LABEL(p->icon[i]), i < (int)now ? "✓" : i == (int)now ? "●" : "○");
}

void thin_page_connecting_show(struct thin_page_connecting *p, const char *title,
			       enum thin_step step, int percent, const char *detail)
{
	g_autofree char *text = NULL;

	gtk_label_set_text(GTK_LABEL(p->title), title);
	for (int i = 0; i < THIN_STEPS; i++)
		mark_step(p, i, step);
	thin_page_connecting_stop(p);
	if (percent >= 0) {
		gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(p->bar), percent / 100.0);
		text = g_strdup_printf("%d %%%s%s", percent, detail && *detail ? " · " : "",
				       detail ? detail : "");
	} else {
		p->pulse_id = g_timeout_add(PULSE_MS, on_pulse, p);
		text = g_strdup(detail ? detail : "");
	}
	gtk_label_set_text(GTK_LABEL(p->detail), text);
}
