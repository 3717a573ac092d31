/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The administrator's page of a terminal; see pages.h: behind a PIN, what the terminal is, and what
 * ends the kiosk. A wrong PIN costs time, twice as much each time.
 */
#include "clients/thin/app.h"
#include "clients/thin/fleet.h"
#include "clients/thin/look.h"
#include "common/language.h"
#include "common/log.h"

#include <string.h>

#ifndef PANE_VERSION
#define PANE_VERSION "0.1"
#endif

/* Exit statuses that are orders to deploy/thin-client/files/usr/lib/terminal/ended. */
#define EXIT_POWER_OFF 20
#define EXIT_RESTART   21

#define TRIES	   3
#define WAIT_S	   30
#define WAIT_MAX_S 3600

static void facts(struct thin_page_admin *p)
{
	const struct thin_app *a = p->app;
	char addresses[300];
	g_autofree char *text = NULL;

	thin_fleet_addresses(addresses, sizeof(addresses));
	text = g_strdup_printf(_("Name: %s\nServer: %s\nAddresses: %s\nVersion: %s\n%s"),
			       a->conf.name[0] ? a->conf.name : _("none yet"), a->conf.server,
			       addresses[0] ? addresses : _("none"), PANE_VERSION,
			       a->terminal.len ? _("Enrolled.") : _("Not enrolled."));
	gtk_label_set_text(GTK_LABEL(p->facts), text);
}

static void refuse(struct thin_page_admin *p)
{
	g_autofree char *text = NULL;
	gint64 wait_s = 0;

	if (++p->tries >= TRIES)
		wait_s = MIN(WAIT_MAX_S, (gint64)WAIT_S << MIN(p->tries - TRIES, 10));
	p->until_us = g_get_monotonic_time() + wait_s * G_USEC_PER_SEC;
	log_warn("terminal.pin", "tries=%d wait_s=%d", p->tries, (int)wait_s);
	text = wait_s ? g_strdup_printf(ngettext("This is not the PIN. Wait %d second.",
						 "This is not the PIN. Wait %d seconds.",
						 (unsigned long)wait_s),
					(int)wait_s)
		      : g_strdup(_("This is not the PIN."));
	gtk_label_set_text(GTK_LABEL(p->wrong), text);
	gtk_widget_set_visible(p->wrong, TRUE);
}

static void on_pin(gpointer arg)
{
	struct thin_page_admin *p = arg;
	g_autofree char *pin = g_strdup(gtk_editable_get_text(GTK_EDITABLE(p->pin)));

	gtk_editable_set_text(GTK_EDITABLE(p->pin), "");
	if (g_get_monotonic_time() < p->until_us)
		return;
	if (!exitpin_fits(p->app->conf.exit_pin, pin)) {
		refuse(p);
		return;
	}
	p->tries = 0;
	log_info("terminal.admin", "opened=yes");
	facts(p);
	thin_page_admin_say(p, "");
	gtk_stack_set_visible_child_name(GTK_STACK(p->stack), "open");
	gtk_widget_grab_focus(p->back);
}

static void on_back(gpointer arg)
{
	struct thin_page_admin *p = arg;

	thin_app_back(p->app);
}

static void on_power_off(gpointer arg)
{
	struct thin_page_admin *p = arg;

	thin_app_quit(p->app, EXIT_POWER_OFF);
}

static void on_restart(gpointer arg)
{
	struct thin_page_admin *p = arg;

	thin_app_quit(p->app, EXIT_RESTART);
}

static void on_enrol(gpointer arg)
{
	struct thin_page_admin *p = arg;
	const char *code = gtk_editable_get_text(GTK_EDITABLE(p->code));

	if (*code)
		thin_terminal_enrol(p->app, code);
}

static GtkWidget *locked(struct thin_page_admin *p)
{
	GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
	GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12), *label;

	p->wrong = thin_look_label("", "problem");
	gtk_widget_set_visible(p->wrong, FALSE);
	p->pin = gtk_password_entry_new();
	g_signal_connect_swapped(p->pin, "activate", G_CALLBACK(on_pin), p);
	gtk_box_append(GTK_BOX(box), p->wrong);
	label = thin_look_label(_("_PIN of this terminal's administrator"), "field");
	gtk_label_set_use_underline(GTK_LABEL(label), TRUE);
	gtk_label_set_mnemonic_widget(GTK_LABEL(label), p->pin);
	gtk_box_append(GTK_BOX(box), label);
	gtk_box_append(GTK_BOX(box), p->pin);
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Back"), NULL, G_CALLBACK(on_back), p));
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Open"), "main", G_CALLBACK(on_pin), p));
	gtk_widget_set_halign(buttons, GTK_ALIGN_END);
	gtk_box_append(GTK_BOX(box), buttons);
	return box;
}

static GtkWidget *opened(struct thin_page_admin *p)
{
	GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);
	GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
	GtkWidget *enrol = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);

	p->facts = thin_look_label("", "cause");
	gtk_label_set_selectable(GTK_LABEL(p->facts), TRUE);
	p->said = thin_look_label("", "small");
	p->code = gtk_entry_new();
	gtk_entry_set_placeholder_text(GTK_ENTRY(p->code), _("Enrolment code"));
	gtk_widget_set_hexpand(p->code, TRUE);
	g_signal_connect_swapped(p->code, "activate", G_CALLBACK(on_enrol), p);
	gtk_box_append(GTK_BOX(enrol), p->code);
	gtk_box_append(GTK_BOX(enrol),
		       thin_look_button(_("_Enrol"), NULL, G_CALLBACK(on_enrol), p));
	p->back = thin_look_button(_("_Back"), "main", G_CALLBACK(on_back), p);
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Power off"), NULL, G_CALLBACK(on_power_off), p));
	gtk_box_append(GTK_BOX(buttons),
		       thin_look_button(_("_Restart"), NULL, G_CALLBACK(on_restart), p));
	gtk_box_append(GTK_BOX(buttons), p->back);
	gtk_widget_set_halign(buttons, GTK_ALIGN_END);
	gtk_box_append(GTK_BOX(box), p->facts);
	gtk_box_append(GTK_BOX(box), enrol);
	gtk_box_append(GTK_BOX(box), p->said);
	gtk_box_append(GTK_BOX(box), buttons);
	return box;
}

void thin_page_admin_init(struct thin_page_admin *p, struct thin_app *app)
{
	GtkWidget *box;

	p->app = app;
	p->root = thin_look_page(480, &box);
	gtk_box_append(GTK_BOX(box), thin_look_label(_("This terminal"), "title"));
	p->stack = gtk_stack_new();
	gtk_stack_add_named(GTK_STACK(p->stack), locked(p), "locked");
	gtk_stack_add_named(GTK_STACK(p->stack), opened(p), "open");
	gtk_box_append(GTK_BOX(box), p->stack);
}

void thin_page_admin_show(struct thin_page_admin *p)
{
	gtk_stack_set_visible_child_name(GTK_STACK(p->stack), "locked");
	gtk_widget_set_visible(p->wrong, FALSE);
	gtk_editable_set_text(GTK_EDITABLE(p->pin), "");
	thin_app_show(p->app, p->root);
	gtk_widget_grab_focus(p->pin);
}

void thin_page_admin_say(struct thin_page_admin *p, const char *text)
{
	if (!p->root)
		return;
	gtk_label_set_text(GTK_LABEL(p->said), text);
	facts(p);
}
