/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a pool to a session, and back after a loss: ask for a ticket (and again while the desktop
 * starts), connect with it, show the first whole picture. When the connection breaks the last
 * picture stays, dimmed, and new tickets are tried for --reconnect-for seconds (180), with the
 * token of the sign-in: nobody is asked for a password.
 *
 * Events of a session that is no longer a->session are ignored: the pointer compared is kept
 * alive by the reference the idle source holds.
 */
#include "clients/thin/app.h"
#include "clients/thin/keymap.h"
#include "clients/thin/session_view.h"
#include "common/language.h"
#include "common/log.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

#define FIRST_PICTURE_MS 30000
#define RETRY_MS_MAX	 5000
#define US_PER_S	 G_USEC_PER_SEC

static void ask_ticket(struct thin_app *a);

struct wakeup {
	struct thin_app *app;
	struct thin_session *session; /* a reference */
};

void thin_connect_drop(struct thin_app *a)
{
	g_clear_handle_id(&a->picture_id, g_source_remove);
	if (!a->session)
		return;
	thin_session_stop(a->session);
	if (a->page.view)
		thin_view_set_session(THIN_VIEW(a->page.view), NULL);
	thin_page_session_microphone(&a->page, false);
	thin_session_unref(a->session);
	a->session = NULL;
}

static gboolean on_timer(gpointer arg)
{
	struct thin_app *a = arg;

	a->timer_id = 0;
	ask_ticket(a);
	return G_SOURCE_REMOVE;
}

static void ask_later(struct thin_app *a, int ms)
{
	g_clear_handle_id(&a->timer_id, g_source_remove);
	a->timer_id = g_timeout_add((guint)ms, on_timer, a);
}

static void leave_session(struct thin_app *a)
{
	thin_page_session_dim(&a->page, NULL, NULL);
	thin_view_clear(THIN_VIEW(a->page.view));
	a->lost_us = 0;
	a->seen = false;
}

/* Progress goes to the connecting page, or under the veil while reconnecting. */
static void progress(struct thin_app *a, enum thin_step step, int percent, const char *text)
{
	g_autofree char *line = NULL;

	if (!a->lost_us) {
		thin_app_step(a, step, percent, text);
		return;
	}
	if (percent >= 0)
		line = g_strdup_printf("%s (%d %%)", text ? text : _("Starting"), percent);
	thin_page_session_dim(&a->page, _("Connection lost, reconnecting…"), line ? line : text);
}

/* There was a session, and it could not be had again in time. */
static bool too_late(const struct thin_app *a)
{
	return a->lost_us && g_get_monotonic_time() - a->lost_us >= a->opts->reconnect_s * US_PER_S;
}

/* A try failed, or the running session ended. */
static void broke(struct thin_app *a, const struct err *e)
{
	struct thin_problem p;
	int wait_ms;

	thin_connect_drop(a);
	thin_problem_from(&p, e);
	if (a->seen && !a->lost_us) {
		a->lost_us = g_get_monotonic_time();
		a->tries = 0;
	}
	if (!a->seen || p.hopeless || p.sign_in || too_late(a)) {
		leave_session(a);
		thin_app_fail(a, e);
		return;
	}
	wait_ms = a->tries ? MIN(RETRY_MS_MAX, 500 << MIN(a->tries, 4)) : 0;
	a->tries++;
	log_info("session.lost", "word=%s cause=%s try=%d", p.word, LOG_Q(p.cause), a->tries);
	progress(a, THIN_STEP_CONNECT, -1, p.cause);
	ask_later(a, wait_ms);
}

static void shown(struct thin_app *a)
{
	bool first = !a->seen;

	g_clear_handle_id(&a->picture_id, g_source_remove);
	if (a->seen && !a->lost_us)
		return;
	if (a->lost_us)
		log_info("session.back", "after_ms=%lld",
			 (long long)(g_get_monotonic_time() - a->lost_us) / 1000);
	a->seen = true;
	a->lost_us = 0;
	thin_page_session_dim(&a->page, NULL, NULL);
	thin_app_show(a, a->page.root);
	gtk_widget_grab_focus(a->page.view);
	if (a->opts->screenshot)
		thin_shot_seen(a);
	else if (first)
		thin_page_session_hint(&a->page);
}

static gboolean on_no_picture(gpointer arg)
{
	struct thin_app *a = arg;
	struct err e = {0};

	a->picture_id = 0;
	err_setw(&e, -ETIMEDOUT, "session.timeout",
		 ngettext("%s sent no picture within %d second",
			  "%s sent no picture within %d seconds", FIRST_PICTURE_MS / 1000),
		 a->desktop[0] ? a->desktop : a->pool, FIRST_PICTURE_MS / 1000);
	broke(a, &e);
	return G_SOURCE_REMOVE;
}

static gboolean on_events(gpointer arg)
{
	struct wakeup *w = arg;
	struct thin_app *a = w->app;
	unsigned ev = thin_session_events(w->session);
	struct err e = {0};

	if (w->session != a->session)
		return G_SOURCE_REMOVE;
	if (ev & THIN_EVENT_UP)
		progress(a, THIN_STEP_PICTURE, -1, "");
	if ((ev & THIN_EVENT_FRAME) && thin_view_update(THIN_VIEW(a->page.view)))
		shown(a);
	if (ev & THIN_EVENT_POINTER)
		thin_view_update_pointer(THIN_VIEW(a->page.view));
	if (ev & THIN_EVENT_MICROPHONE)
		thin_page_session_microphone(&a->page, thin_session_microphone(w->session));
	if (ev & THIN_EVENT_ENDED) {
		thin_session_error(w->session, &e);
		if (!e.code)
			err_setw(&e, -ECONNRESET, "session.ended",
				 _("the desktop ended the session"));
		broke(a, &e);
	}
	return G_SOURCE_REMOVE;
}

static void wakeup_free(gpointer arg)
{
	struct wakeup *w = arg;

	thin_session_unref(w->session);
	g_free(w);
}

/* Session thread. Below GTK's own redraw priority, so input and drawing stay ahead of pictures. */
static void on_wake(struct thin_session *s, void *arg)
{
	struct wakeup *w = g_new0(struct wakeup, 1);

	w->app = arg;
	w->session = thin_session_ref(s);
	g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, on_events, w, wakeup_free);
}

static void start_session(struct thin_app *a, const struct thin_ticket *t)
{
	struct thin_site site = a->site;
	struct thin_session_params p = {.site = &site,
					.ticket = &t->ticket,
					.no_sound = a->opts->no_sound,
					.no_microphone = a->opts->no_microphone,
					.wake = on_wake,
					.arg = a};
	struct err e = {0};

	if (t->rdp_port && !a->opts->rdp_port)
		site.rdp_port = (uint16_t)t->rdp_port;
	thin_view_wanted(THIN_VIEW(a->page.view), &p.width, &p.height, &p.scale_percent);
	progress(a, THIN_STEP_CONNECT, -1, "");
	thin_connect_drop(a);
	a->session = thin_session_start(&p, &e);
	if (!a->session) {
		broke(a, &e);
		return;
	}
	thin_view_set_session(THIN_VIEW(a->page.view), a->session);
	thin_page_session_name(&a->page, a->desktop[0] ? a->desktop : a->pool);
	a->picture_id = g_timeout_add(FIRST_PICTURE_MS, on_no_picture, a);
}

static void on_ticket(struct thin_job *j, void *arg)
{
	struct thin_app *a = arg;
	struct thin_ticket *t = &j->ticket;
	char message[sizeof(t->message) + 80];

	if (j->result) {
		broke(a, &j->err);
		return;
	}
	if (t->desktop[0])
		snprintf(a->desktop, sizeof(a->desktop), "%s", t->desktop);
	if (t->ready) {
		start_session(a, t);
		return;
	}
	if (too_late(a)) {
		struct err e = {0};

		err_setw(&e, -ETIMEDOUT, "session.timeout",
			 ngettext("the desktop did not come back within %d second",
				  "the desktop did not come back within %d seconds",
				  (unsigned long)a->opts->reconnect_s),
			 a->opts->reconnect_s);
		broke(a, &e);
		return;
	}
	progress(a, THIN_STEP_START, t->percent,
		 language_said(t->message, message, sizeof(message)));
	ask_later(a, t->retry_after_s * 1000);
}

static void ask_ticket(struct thin_app *a)
{
	struct thin_job *j = thin_job_new(THIN_JOB_TICKET, &a->site);

	snprintf(j->pool, sizeof(j->pool), "%s", a->pool);
	j->secret = a->token;
	thin_job_run(j, a->cancel, on_ticket, a);
}

void thin_app_connect(struct thin_app *a, const char *pool)
{
	thin_app_halt(a);
	thin_connect_drop(a);
	leave_session(a);
	if (pool != a->pool)
		snprintf(a->pool, sizeof(a->pool), "%s", pool);
	a->desktop[0] = '\0';
	thin_app_step(a, THIN_STEP_ASSIGN, -1, "");
	ask_ticket(a);
}

void thin_app_disconnect(struct thin_app *a)
{
	thin_app_halt(a);
	thin_connect_drop(a);
	leave_session(a);
	a->pool[0] = '\0';
	thin_app_list(a);
}

static void key(struct thin_app *a, uint32_t evdev, bool down)
{
	struct thin_input in = {
		.type = THIN_INPUT_KEY, .code = thin_keymap_scancode(evdev), .down = down};

	if (a->session)
		thin_session_input(a->session, &in);
}

void thin_app_ctrl_alt_del(struct thin_app *a)
{
	key(a, KEY_LEFTCTRL, true);
	key(a, KEY_LEFTALT, true);
	key(a, KEY_DELETE, true);
	key(a, KEY_DELETE, false);
	key(a, KEY_LEFTALT, false);
	key(a, KEY_LEFTCTRL, false);
}
