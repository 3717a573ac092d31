/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pages before and around a session. A page is its root widget plus a few setters; what the
 * person does there goes to the app's functions in app.h. Each page lies in page_NAME.c.
 */
#ifndef PANE_CLIENTS_THIN_PAGES_H
#define PANE_CLIENTS_THIN_PAGES_H

#include <gtk/gtk.h>
#include "clients/thin/api.h"
#include "clients/thin/pin.h"
#include "clients/thin/problem.h"

struct thin_app;

/* Sign in. */
struct thin_page_login {
	GtkWidget *root;
	GtkWidget *server, *user, *password, *code, *code_label, *button, *problem;
	GtkWidget *server_label, *notice, *name;
	struct thin_app *app; /* borrowed */
};
void thin_page_login_init(struct thin_page_login *p, struct thin_app *app);
void thin_page_login_fill(struct thin_page_login *p, const char *server, const char *user);
/* A terminal's: the server is not asked for where it is known; a notice and a name are under the
 * form. */
void thin_page_login_terminal(struct thin_page_login *p, bool server, const char *notice,
			      const char *name);
/* Shows what went wrong, or nothing with NULL; empties the password and takes the focus. */
void thin_page_login_show(struct thin_page_login *p, const struct thin_problem *why);

/* For an administrator of a terminal, behind a PIN. */
struct thin_page_admin {
	GtkWidget *root;
	GtkWidget *stack, *pin, *wrong, *facts, *code, *said, *back;
	int tries;	      /* wrong PINs in a row */
	gint64 until_us;      /* no PIN is looked at before */
	struct thin_app *app; /* borrowed */
};
void thin_page_admin_init(struct thin_page_admin *p, struct thin_app *app);
void thin_page_admin_show(struct thin_page_admin *p);
void thin_page_admin_say(struct thin_page_admin *p, const char *text);

/* The list of desktops. */
struct thin_page_desktops {
	GtkWidget *root;
	GtkWidget *list, *empty, *who;
	GtkWidget *first;     /* the first Connect button, NULL = none */
	struct thin_app *app; /* borrowed */
};
void thin_page_desktops_init(struct thin_page_desktops *p, struct thin_app *app);
void thin_page_desktops_fill(struct thin_page_desktops *p, const char *user,
			     const struct thin_desktops *d);

/* Connecting, step by step. */
enum thin_step {
	THIN_STEP_SIGN_IN,
	THIN_STEP_ASSIGN,
	THIN_STEP_START,
	THIN_STEP_CONNECT,
	THIN_STEP_PICTURE,
	THIN_STEPS
};
struct thin_page_connecting {
	GtkWidget *root;
	GtkWidget *title, *bar, *detail;
	GtkWidget *row[THIN_STEPS], *icon[THIN_STEPS];
	guint pulse_id;
	struct thin_app *app; /* borrowed */
};
void thin_page_connecting_init(struct thin_page_connecting *p, struct thin_app *app);
/* percent -1 = unknown; detail may be NULL. */
void thin_page_connecting_show(struct thin_page_connecting *p, const char *title,
			       enum thin_step step, int percent, const char *detail);
void thin_page_connecting_stop(struct thin_page_connecting *p);

/* What went wrong. */
struct thin_page_error {
	GtkWidget *root;
	GtkWidget *title, *cause, *next, *id, *again;
	struct thin_app *app; /* borrowed */
};
void thin_page_error_init(struct thin_page_error *p, struct thin_app *app);
void thin_page_error_show(struct thin_page_error *p, const struct thin_problem *why, bool again);

/* First use of a server without a CA: its fingerprint, to be compared. */
struct thin_page_trust {
	GtkWidget *root;
	GtkWidget *host, *fingerprint, *subject, *why;
	struct thin_app *app; /* borrowed */
};
void thin_page_trust_init(struct thin_page_trust *p, struct thin_app *app);
void thin_page_trust_show(struct thin_page_trust *p, const char *host,
			  const struct thin_pin_info *info, const char *why);

/* The session with its toolbar and overlays. */
struct thin_page_session {
	GtkWidget *root;
	GtkWidget *view, *toolbar, *name, *full, *hint, *dim, *dim_title, *dim_text;
	GtkWidget *microphone; /* the mark that it is open; NULL once its window is gone */
	guint hint_id;
	bool held_open;	      /* the toolbar was called by hot-key and stays */
	struct thin_app *app; /* borrowed */
};
void thin_page_session_init(struct thin_page_session *p, struct thin_app *app);
void thin_page_session_name(struct thin_page_session *p, const char *name);
void thin_page_session_hint(struct thin_page_session *p);
void thin_page_session_menu(struct thin_page_session *p);
/* Says that the desktop hears what is said here, or not any more. */
void thin_page_session_microphone(struct thin_page_session *p, bool open);
/* Dims the last picture under a message, or not any more with NULL. */
void thin_page_session_dim(struct thin_page_session *p, const char *title, const char *text);

#endif
