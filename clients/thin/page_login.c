/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sign-in page; see pages.h. The password lives in GTK's own wiping buffer and goes to the app
 * as a struct secret; it is never stored.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "common/language.h"

#include <string.h>

static void submit(gpointer arg)
{
	struct thin_page_login *p = arg;
	const char *text = gtk_editable_get_text(GTK_EDITABLE(p->password));
	cleanup_secret struct secret pw = {0};

	if (secret_set(&pw, text, strlen(text)))
		return;
	thin_app_sign_in(p->app, gtk_editable_get_text(GTK_EDITABLE(p->server)),
			 gtk_editable_get_text(GTK_EDITABLE(p->user)), &pw,
			 gtk_editable_get_text(GTK_EDITABLE(p->code)));
}

static void on_changed(gpointer arg)
{
	struct thin_page_login *p = arg;

	gtk_widget_set_sensitive(p->button,
				 *gtk_editable_get_text(GTK_EDITABLE(p->server)) &&
					 *gtk_editable_get_text(GTK_EDITABLE(p->user)) &&
					 *gtk_editable_get_text(GTK_EDITABLE(p->password)));
}

static GtkWidget *field(struct thin_page_login *p, GtkWidget *box, const char *name,
			GtkWidget *entry)
{
	GtkWidget *label = thin_look_label(name, "field");

	gtk_label_set_use_underline(GTK_LABEL(label), TRUE);
	gtk_label_set_mnemonic_widget(GTK_LABEL(label), entry);
	gtk_box_append(GTK_BOX(box), label);
	gtk_box_append(GTK_BOX(box), entry);
	g_signal_connect_swapped(entry, "changed", G_CALLBACK(on_changed), p);
	g_signal_connect_swapped(entry, "activate", G_CALLBACK(submit), p);
	return entry;
}

/* The code's field is there from when the server asks for one until somebody is in. */
static void ask_code(struct thin_page_login *p, bool ask)
{
	gtk_editable_set_text(GTK_EDITABLE(p->code), "");
	gtk_widget_set_visible(p->code, ask);
	gtk_widget_set_visible(p->code_label, ask);
}

void thin_page_login_init(struct thin_page_login *p, struct thin_app *app)
{
	GtkWidget *box, *title, *pw = gtk_password_entry_new();

	p->app = app;
	p->root = thin_look_page(400, &box);
	gtk_box_append(GTK_BOX(box), thin_look_mark(48));
	title = thin_look_label(_("Sign in to your desktop"), "title");
	gtk_widget_set_halign(title, GTK_ALIGN_CENTER);
	gtk_widget_set_margin_bottom(title, 8);
	gtk_box_append(GTK_BOX(box), title);
	p->problem = thin_look_label("", "problem");
	gtk_widget_set_visible(p->problem, FALSE);
	gtk_box_append(GTK_BOX(box), p->problem);
	p->server = field(p, box, _("_Server"), gtk_entry_new());
	p->user = field(p, box, _("_User name"), gtk_entry_new());
	gtk_password_entry_set_show_peek_icon(GTK_PASSWORD_ENTRY(pw), TRUE);
	p->password = field(p, box, _("_Password"), pw);
	gtk_entry_set_placeholder_text(GTK_ENTRY(p->server), "gateway.example");
	p->code = field(p, box, _("_Code of your authenticator app"), gtk_entry_new());
	p->code_label = gtk_widget_get_prev_sibling(p->code);
	ask_code(p, false);
	p->server_label = gtk_widget_get_prev_sibling(p->server);
	p->button = thin_look_button(_("Sign _in"), "main", G_CALLBACK(submit), p);
	gtk_widget_set_margin_top(p->button, 12);
	gtk_box_append(GTK_BOX(box), p->button);
	p->notice = thin_look_label("", "subtitle");
	p->name = thin_look_label("", "small");
	gtk_widget_set_halign(p->name, GTK_ALIGN_CENTER);
	gtk_box_append(GTK_BOX(box), p->notice);
	gtk_box_append(GTK_BOX(box), p->name);
	thin_page_login_terminal(p, false, "", "");
	on_changed(p);
}

void thin_page_login_terminal(struct thin_page_login *p, bool server, const char *notice,
			      const char *name)
{
	gtk_widget_set_visible(p->server, !server);
	gtk_widget_set_visible(p->server_label, !server);
	gtk_label_set_text(GTK_LABEL(p->notice), notice);
	gtk_label_set_text(GTK_LABEL(p->name), name);
	gtk_widget_set_visible(p->notice, *notice);
	gtk_widget_set_visible(p->name, *name);
}

void thin_page_login_fill(struct thin_page_login *p, const char *server, const char *user)
{
	gtk_editable_set_text(GTK_EDITABLE(p->server), server ? server : "");
	gtk_editable_set_text(GTK_EDITABLE(p->user), user ? user : "");
}

void thin_page_login_show(struct thin_page_login *p, const struct thin_problem *why)
{
	g_autofree char *text = NULL;
	bool code = why && !strcmp(why->word, "totp.required");

	if (!code) /* the password was right: it is sent again with the code */
		gtk_editable_set_text(GTK_EDITABLE(p->password), "");
	ask_code(p, code);
	gtk_widget_set_visible(p->problem, why != NULL);
	if (why) {
		text = g_strdup_printf(_("%s. %s\n%s\n%s · id %s"), why->title, why->cause,
				       why->next, why->word, why->id);
		gtk_label_set_text(GTK_LABEL(p->problem), text);
	}
	if (!*gtk_editable_get_text(GTK_EDITABLE(p->server)))
		gtk_widget_grab_focus(p->server);
	else if (!*gtk_editable_get_text(GTK_EDITABLE(p->user)))
		gtk_widget_grab_focus(p->user);
	else
		gtk_widget_grab_focus(code ? p->code : p->password);
}
