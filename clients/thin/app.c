/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pages, signing in and out, errors; see app.h.
 */
#include "clients/thin/app.h"
#include "clients/thin/look.h"
#include "clients/thin/session_view.h"
#include "common/language.h"

#include <errno.h>
#include <string.h>

#define REFRESH_MS     5000
#define SESSION_END_MS 2000
#define RDP_PORT       3389
#define ADMIN_KEYS     (GDK_CONTROL_MASK | GDK_ALT_MASK | GDK_SHIFT_MASK)

void thin_app_show(struct thin_app *a, GtkWidget *page)
{
	if (page != a->connecting.root)
		thin_page_connecting_stop(&a->connecting);
	if (page == gtk_stack_get_visible_child(GTK_STACK(a->stack)))
		return;
	gtk_stack_set_visible_child(GTK_STACK(a->stack), page);
	/* Keys reach a window only through a focus on the page shown; a page that wants another
	 * one than its card takes it afterwards. */
	if (page != a->page.root)
		gtk_widget_grab_focus(g_object_get_data(G_OBJECT(page), "card"));
}

void thin_app_halt(struct thin_app *a)
{
	g_cancellable_cancel(a->cancel);
	g_object_unref(a->cancel);
	a->cancel = g_cancellable_new();
	g_clear_handle_id(&a->timer_id, g_source_remove);
}

void thin_app_quit(struct thin_app *a, int code)
{
	a->exit_code = code;
	g_application_quit(G_APPLICATION(a->gtk));
}

void thin_app_step(struct thin_app *a, enum thin_step step, int percent, const char *detail)
{
	g_autofree char *title = a->pool[0] ? g_strdup_printf(_("Connecting to %s"),
							      a->desktop[0] ? a->desktop : a->pool)
					    : g_strdup(_("Signing in"));

	thin_page_connecting_show(&a->connecting, title, step, percent, detail);
	thin_app_show(a, a->connecting.root);
}

static void show_login(struct thin_app *a, const struct thin_problem *why)
{
	thin_app_show(a, a->login.root);
	thin_page_login_show(&a->login, why);
}

void thin_app_fail(struct thin_app *a, const struct err *e)
{
	struct thin_problem p;

	thin_problem_from(&p, e);
	thin_problem_log(&p);
	if (a->opts->screenshot) {
		fprintf(stderr, "pane-thin: %s: %s. %s (%s, id %s)\n", p.title, p.cause, p.next,
			p.word, p.id);
		thin_app_quit(a, 1);
		return;
	}
	if (p.sign_in) {
		secret_wipe(&a->token);
		show_login(a, &p);
		return;
	}
	thin_page_error_show(&a->error, &p, a->pool[0] || !a->token.len);
	thin_app_show(a, a->error.root);
	gtk_widget_grab_focus(a->error.again);
}

static void on_probe(struct thin_job *j, void *arg)
{
	struct thin_app *a = arg;

	if (j->result) {
		thin_app_fail(a, &j->err);
		return;
	}
	int known = thin_terminal_trusts(a, &j->info);

	thin_pin_info_clear(&a->offered);
	a->offered = j->info;
	j->info.pem = NULL;
	if (known > 0) {
		thin_app_trust(a);
		return;
	}
	if (known < 0) {
		struct err e = {0};

		err_setw(&e, known, "server.untrusted",
			 _("%s shows another certificate than this terminal is set up for (%s)"),
			 a->site.host, a->offered.sha256);
		thin_app_fail(a, &e);
		return;
	}
	thin_page_trust_show(&a->trust, a->site.host, &a->offered, "");
	thin_app_show(a, a->trust.root);
}

/* Only where neither a CA nor a remembered certificate speaks against it. */
static bool may_ask_trust(const struct thin_app *a, const struct err *e)
{
	return !strcmp(e->word, "server.untrusted") && !a->site.ca[0] && !a->site.pin[0] &&
	       !a->opts->screenshot;
}

/* A pool that a terminal is set up for is nothing to a person it is not open to. */
static bool listed(const struct thin_desktops *d, const char *pool)
{
	for (int i = 0; i < d->n; i++)
		if (!strcmp(d->item[i].pool, pool))
			return true;
	return false;
}

static void choose(struct thin_app *a, const struct thin_desktops *d)
{
	const char *pool = NULL;

	if (a->opts->desktop)
		pool = a->opts->desktop;
	else if (a->conf.pool[0] && listed(d, a->conf.pool))
		pool = a->conf.pool;
	else if ((a->opts->auto_connect || a->conf.auto_start) && d->n == 1)
		pool = d->item[0].pool;
	a->chosen = true;
	if (pool) {
		thin_app_connect(a, pool);
	} else if (a->opts->screenshot) {
		struct err e = {0};

		err_setw(&e, -ENOENT, d->n ? "desktop.choose" : "desktop.none",
			 d->n ? _("there are several desktops: name one with --desktop")
			      : _("no desktop pool is open to this user"));
		thin_app_fail(a, &e);
	}
}

static gboolean on_refresh(gpointer arg)
{
	struct thin_app *a = arg;

	a->timer_id = 0;
	thin_app_list(a);
	return G_SOURCE_REMOVE;
}

static void on_desktops(struct thin_job *j, void *arg)
{
	struct thin_app *a = arg;

	if (j->result) {
		thin_app_fail(a, &j->err);
		return;
	}
	/* A refresh without news leaves the page, and the focus on it, alone. */
	if (gtk_stack_get_visible_child(GTK_STACK(a->stack)) == a->desktops.root &&
	    !memcmp(&a->listed, &j->desktops, sizeof(a->listed))) {
		a->timer_id = g_timeout_add(REFRESH_MS, on_refresh, a);
		return;
	}
	a->listed = j->desktops;
	thin_page_desktops_fill(&a->desktops, a->user, &j->desktops);
	if (!a->chosen) {
		choose(a, &j->desktops);
		if (a->pool[0] || a->opts->screenshot)
			return;
	}
	thin_app_show(a, a->desktops.root);
	if (a->desktops.first)
		gtk_widget_grab_focus(a->desktops.first);
	a->timer_id = g_timeout_add(REFRESH_MS, on_refresh, a);
}

void thin_app_list(struct thin_app *a)
{
	struct thin_job *j = thin_job_new(THIN_JOB_DESKTOPS, &a->site);

	g_clear_handle_id(&a->timer_id, g_source_remove);
	j->secret = a->token;
	thin_job_run(j, a->cancel, on_desktops, a);
}

static void on_login(struct thin_job *j, void *arg)
{
	struct thin_app *a = arg;

	if (j->result && may_ask_trust(a, &j->err)) {
		thin_job_run(thin_job_new(THIN_JOB_PROBE, &a->site), a->cancel, on_probe, a);
		return;
	}
	if (j->result) {
		struct err e = j->err;

		/* Before anyone is signed in the form is the place to correct things. */
		if (!a->opts->screenshot && strcmp(e.word, "server.untrusted")) {
			struct thin_problem p;

			thin_problem_from(&p, &e);
			thin_problem_log(&p);
			show_login(a, &p);
		} else {
			thin_app_fail(a, &e);
		}
		return;
	}
	a->token = j->token;
	snprintf(a->settings.user, sizeof(a->settings.user), "%s", a->user);
	if (thin_settings_save(&a->settings, NULL))
		g_debug("settings not saved");
	thin_app_list(a);
}

void thin_app_sign_in(struct thin_app *a, const char *server, const char *user,
		      const struct secret *password, const char *code)
{
	struct thin_job *j;
	struct err e = {0};

	thin_app_halt(a);
	a->pool[0] = a->desktop[0] = '\0';
	a->site.pin[0] = '\0';
	if (thin_site_parse(&a->site, server, &e)) {
		thin_app_fail(a, &e);
		return;
	}
	if (!a->site.ca[0])
		thin_settings_find_pin(&a->site);
	snprintf(a->settings.server, sizeof(a->settings.server), "%s", server);
	snprintf(a->user, sizeof(a->user), "%s", user);
	j = thin_job_new(THIN_JOB_LOGIN, &a->site);
	snprintf(j->user, sizeof(j->user), "%s", user);
	j->secret = *password;
	snprintf(j->code, sizeof(j->code), "%s", code);
	thin_app_step(a, THIN_STEP_SIGN_IN, -1, a->site.host);
	thin_job_run(j, a->cancel, on_login, a);
}

static void send_logout(struct thin_app *a)
{
	struct thin_job *j;

	if (!a->token.len)
		return;
	j = thin_job_new(THIN_JOB_LOGOUT, &a->site);
	j->secret = a->token;
	secret_wipe(&a->token);
	thin_job_run(j, NULL, NULL, NULL);
}

void thin_app_sign_out(struct thin_app *a)
{
	thin_app_halt(a);
	send_logout(a);
	show_login(a, NULL);
}

void thin_app_cancel(struct thin_app *a)
{
	thin_app_halt(a);
	thin_connect_drop(a);
	a->pool[0] = '\0';
	if (a->token.len)
		thin_app_list(a);
	else
		show_login(a, NULL);
}

void thin_app_back(struct thin_app *a)
{
	thin_app_cancel(a);
}

void thin_app_again(struct thin_app *a)
{
	g_autofree char *pool = g_strdup(a->pool);

	if (*pool)
		thin_app_connect(a, pool);
	else
		thin_app_cancel(a);
}

void thin_app_trust(struct thin_app *a)
{
	struct err e = {0};

	if (!a->offered.pem)
		return;
	if (thin_settings_save_pin(&a->site, a->offered.pem, &e)) {
		thin_app_fail(a, &e);
		return;
	}
	show_login(a, NULL);
}

void thin_app_toggle_fullscreen(struct thin_app *a)
{
	if (a->conf.terminal)
		return;
	if (gtk_window_is_fullscreen(GTK_WINDOW(a->window)))
		gtk_window_unfullscreen(GTK_WINDOW(a->window));
	else
		gtk_window_fullscreen(GTK_WINDOW(a->window));
}

/* In full screen the window manager's own combinations belong to the desktop too. */
static void on_fullscreen(GObject *window, GParamSpec *spec, gpointer arg)
{
	struct thin_app *a = arg;
	bool full = gtk_window_is_fullscreen(GTK_WINDOW(window));
	GdkSurface *s = gtk_native_get_surface(GTK_NATIVE(window));

	(void)spec;
	thin_look_button_text(a->page.full, full ? _("Leave _full screen") : _("_Full screen"));
	if (!s || !GDK_IS_TOPLEVEL(s))
		return;
	if (full)
		gdk_toplevel_inhibit_system_shortcuts(GDK_TOPLEVEL(s), NULL);
	else
		gdk_toplevel_restore_system_shortcuts(GDK_TOPLEVEL(s));
}

/* Escape is Cancel or Back on the pages around a session; within one it belongs to the desktop. */
static gboolean on_key(GtkEventControllerKey *c, guint keyval, guint keycode, GdkModifierType state,
		       gpointer arg)
{
	struct thin_app *a = arg;
	GtkWidget *page = gtk_stack_get_visible_child(GTK_STACK(a->stack));

	(void)c, (void)keycode;
	if ((keyval == GDK_KEY_A || keyval == GDK_KEY_a) && a->conf.exit_pin[0] &&
	    page != a->page.root && (state & ADMIN_KEYS) == ADMIN_KEYS) {
		thin_page_admin_show(&a->admin);
		return TRUE;
	}
	if (keyval != GDK_KEY_Escape || (page != a->connecting.root && page != a->error.root &&
					 page != a->trust.root && page != a->admin.root))
		return FALSE;
	thin_app_cancel(a);
	return TRUE;
}

static void add_page(struct thin_app *a, GtkWidget *page)
{
	gtk_stack_add_child(GTK_STACK(a->stack), page);
}

static void build(struct thin_app *a)
{
	GtkEventController *key = gtk_event_controller_key_new();

	a->window = gtk_application_window_new(a->gtk);
	gtk_window_set_title(GTK_WINDOW(a->window), "Pane");
	gtk_window_set_default_size(GTK_WINDOW(a->window), 1280, 800);
	gtk_widget_add_css_class(a->window, "pane");
	thin_look_init(gtk_widget_get_display(a->window), a->opts->dark);
	a->stack = gtk_stack_new();
	gtk_window_set_child(GTK_WINDOW(a->window), a->stack);
	thin_page_login_init(&a->login, a);
	thin_page_desktops_init(&a->desktops, a);
	thin_page_connecting_init(&a->connecting, a);
	thin_page_error_init(&a->error, a);
	thin_page_trust_init(&a->trust, a);
	thin_page_session_init(&a->page, a);
	add_page(a, a->login.root);
	add_page(a, a->desktops.root);
	add_page(a, a->connecting.root);
	add_page(a, a->error.root);
	add_page(a, a->trust.root);
	add_page(a, a->page.root);
	if (a->conf.terminal) {
		thin_page_admin_init(&a->admin, a);
		add_page(a, a->admin.root);
		gtk_widget_set_visible(a->page.full, FALSE);
	}
	g_signal_connect(key, "key-pressed", G_CALLBACK(on_key), a);
	gtk_widget_add_controller(a->window, key);
	g_signal_connect(a->window, "notify::fullscreened", G_CALLBACK(on_fullscreen), a);
}

static void on_activate(GApplication *gtk, gpointer arg)
{
	struct thin_app *a = arg;
	const struct thin_options *o = a->opts;
	const char *server, *user;

	(void)gtk;
	if (a->window)
		return;
	build(a);
	server = o->server ? o->server : a->conf.server[0] ? a->conf.server : a->settings.server;
	user = o->user ? o->user : a->settings.user;
	thin_page_login_fill(&a->login, server, user);
	thin_terminal_start(a);
	show_login(a, NULL);
	if (o->fullscreen || a->conf.terminal)
		gtk_window_fullscreen(GTK_WINDOW(a->window));
	gtk_window_present(GTK_WINDOW(a->window));
	if (o->screenshot)
		thin_shot_wait(a);
	if (o->password.len && *server && *user)
		thin_app_sign_in(a, server, user, &o->password, "");
}

static int init(struct thin_app *a, const struct thin_options *o)
{
	struct err e = {0};

	a->opts = o;
	a->cancel = g_cancellable_new();
	a->site.rdp_port = o->rdp_port ? (uint16_t)o->rdp_port : RDP_PORT;
	if ((o->ca && strlen(o->ca) >= sizeof(a->site.ca)) ||
	    (o->server_name && strlen(o->server_name) >= sizeof(a->site.name))) {
		fprintf(stderr, "pane-thin: --ca or --server-name is too long\n");
		return -ENAMETOOLONG;
	}
	snprintf(a->site.ca, sizeof(a->site.ca), "%s", o->ca ? o->ca : "");
	snprintf(a->site.name, sizeof(a->site.name), "%s", o->server_name ? o->server_name : "");
	thin_settings_load(&a->settings);
	if (thin_terminal_load(a, &e)) {
		fprintf(stderr, "pane-thin: %s\n", e.msg);
		return -EINVAL;
	}
	language_begin("pane-thin", NULL, o->language ? o->language : a->conf.language);
	return 0;
}

static void finish(struct thin_app *a)
{
	struct thin_session *s = a->session ? thin_session_ref(a->session) : NULL;

	thin_app_halt(a);
	thin_terminal_stop(a);
	g_clear_handle_id(&a->shot_id, g_source_remove);
	thin_connect_drop(a);
	if (s)
		thin_session_wait(s, SESSION_END_MS);
	thin_session_unref(s);
	if (a->token.len && thin_api_logout(&a->site, &a->token))
		g_debug("not signed out");
	secret_wipe(&a->token);
	thin_pin_info_clear(&a->offered);
	g_clear_object(&a->cancel);
}

int thin_app_run(const struct thin_options *o)
{
	struct thin_app *a = g_new0(struct thin_app, 1);
	int r;

	if (init(a, o)) {
		g_clear_object(&a->cancel);
		g_free(a);
		return 1;
	}
	a->gtk = gtk_application_new("org.pane.Thin", G_APPLICATION_NON_UNIQUE);
	g_signal_connect(a->gtk, "activate", G_CALLBACK(on_activate), a);
	r = g_application_run(G_APPLICATION(a->gtk), 0, NULL);
	finish(a);
	r = a->exit_code ? a->exit_code : r;
	g_object_unref(a->gtk);
	g_free(a);
	return r;
}
