/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The application: one window, one stack of pages, one person signed in, at most one session.
 * GTK thread only; whatever waits is in jobs.c or in the session's thread.
 *
 * app.c moves between the pages and signs in and out; connect.c takes a pool to a running
 * session and keeps it through network losses (promise R5 of README.md).
 */
#ifndef PANE_CLIENTS_THIN_APP_H
#define PANE_CLIENTS_THIN_APP_H

#include <gtk/gtk.h>
#include "clients/thin/conf.h"
#include "clients/thin/jobs.h"
#include "clients/thin/options.h"
#include "clients/thin/pages.h"
#include "clients/thin/session.h"
#include "clients/thin/settings.h"

struct thin_app {
	GtkApplication *gtk;		 /* owned */
	const struct thin_options *opts; /* borrowed from main */
	int exit_code;
	GtkWidget *window, *stack;
	struct thin_page_login login;
	struct thin_page_desktops desktops;
	struct thin_page_connecting connecting;
	struct thin_page_error error;
	struct thin_page_trust trust;
	struct thin_page_session page;

	struct thin_conf file,
		conf; /* of the file, and with the broker's over it; not a terminal: empty */
	struct secret terminal; /* its token; empty = not enrolled */
	guint fleet_id;		/* the next report */
	GCancellable *fleet;	/* owned; of the report under way */
	struct thin_page_admin admin;
	struct thin_settings settings;
	struct thin_site site;
	struct secret token; /* empty = not signed in */
	char user[128];
	struct thin_pin_info offered; /* the certificate on the trust page */
	GCancellable *cancel;	      /* owned; of the jobs under way */
	struct thin_desktops listed;  /* what the list shows */
	bool chosen;		      /* --desktop or --auto has had its turn */

	char pool[64], desktop[64];   /* being connected; "" = none */
	struct thin_session *session; /* a reference, or NULL */
	bool seen;		      /* a picture of this pool's session has been shown */
	gint64 lost_us;		      /* when the connection broke; 0 = it has not */
	int tries;		      /* since then */
	guint timer_id;		      /* next poll, or next try, or list refresh */
	guint picture_id;	      /* the first picture is overdue */
	guint shot_id;		      /* --timeout, then --after */
	bool shot_armed;
};

int thin_app_run(const struct thin_options *o);

/* What the pages ask for. */
void thin_app_sign_in(struct thin_app *a, const char *server, const char *user,
		      const struct secret *password, const char *code);
void thin_app_sign_out(struct thin_app *a);
void thin_app_connect(struct thin_app *a, const char *pool);
void thin_app_cancel(struct thin_app *a);
void thin_app_disconnect(struct thin_app *a);
void thin_app_again(struct thin_app *a);
void thin_app_back(struct thin_app *a);
void thin_app_trust(struct thin_app *a);
void thin_app_toggle_fullscreen(struct thin_app *a);
void thin_app_ctrl_alt_del(struct thin_app *a);

/* A terminal among others: terminal.c. */
int thin_terminal_load(struct thin_app *a, struct err *e) must_check;
void thin_terminal_start(struct thin_app *a); /* reports from now on */
void thin_terminal_stop(struct thin_app *a);
void thin_terminal_enrol(struct thin_app *a, const char *code); /* the answer is on the page */
/* The fingerprint in the configuration decides instead of the person: 1 trusted, 0 no such
 * configuration, -EACCES another certificate. */
int thin_terminal_trusts(struct thin_app *a, const struct thin_pin_info *offered) must_check;

/* Between app.c, connect.c and shot.c. */
void thin_app_show(struct thin_app *a, GtkWidget *page);
void thin_app_step(struct thin_app *a, enum thin_step step, int percent, const char *detail);
void thin_app_fail(struct thin_app *a, const struct err *e);
void thin_app_list(struct thin_app *a);
void thin_app_quit(struct thin_app *a, int code);
/* Ends what is under way: jobs, timers. */
void thin_app_halt(struct thin_app *a);
void thin_connect_drop(struct thin_app *a); /* ends the session, keeps the page */
void thin_shot_wait(struct thin_app *a);    /* starts the clock of --timeout */
void thin_shot_seen(struct thin_app *a);    /* the first full picture is there */

#endif
