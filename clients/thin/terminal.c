/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The application as a terminal; see app.h and fleet.h. Every minute a worker thread reports and
 * brings the configuration; while the broker is away the one that was kept holds. A new keyboard or
 * language needs a new session: the program ends by itself once nobody is signed in, and
 * terminal.service starts it again with them.
 */
#include "clients/thin/app.h"
#include "clients/thin/fleet.h"
#include "common/language.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>

static void show(struct thin_app *a)
{
	const struct thin_conf *c = &a->conf;

	thin_page_login_terminal(&a->login, c->server[0], c->notice, c->name);
}

int thin_terminal_load(struct thin_app *a, struct err *e)
{
	struct thin_conf *c = &a->conf;

	if (thin_conf_load(c, a->opts->config, e))
		return -EINVAL;
	if (!c->terminal)
		return 0;
	a->file = *c;
	thin_fleet_load(c, &a->terminal);
	if (!a->opts->ca)
		snprintf(a->site.ca, sizeof(a->site.ca), "%s", c->ca);
	if (!a->opts->server_name)
		snprintf(a->site.name, sizeof(a->site.name), "%s", c->server_name);
	if (!a->opts->rdp_port && c->rdp_port)
		a->site.rdp_port = (uint16_t)c->rdp_port;
	return 0;
}

/* Hexadecimal digits alone count: a person may have typed colons, blanks, capitals or none. */
static bool same_fingerprint(const char *a, const char *b)
{
	for (;;) {
		while (*a && !g_ascii_isxdigit(*a))
			a++;
		while (*b && !g_ascii_isxdigit(*b))
			b++;
		if (!*a || !*b)
			return !*a && !*b;
		if (g_ascii_tolower(*a++) != g_ascii_tolower(*b++))
			return false;
	}
}

int thin_terminal_trusts(struct thin_app *a, const struct thin_pin_info *offered)
{
	if (!a->conf.fingerprint[0])
		return 0;
	return same_fingerprint(a->conf.fingerprint, offered->sha256) ? 1 : -EACCES;
}

static gboolean on_time(gpointer arg);

static void again(struct thin_app *a, guint seconds)
{
	g_clear_handle_id(&a->fleet_id, g_source_remove);
	a->fleet_id = g_timeout_add_seconds(seconds, on_time, a);
}

static void take(struct thin_app *a, struct thin_job *j)
{
	struct thin_conf fresh = a->file;
	struct err e = {0};
	int r = thin_conf_apply(&fresh, j->config, &e);

	if (r) {
		log_warn("terminal.config", "reason=%s", e.msg);
		return;
	}
	a->conf = fresh;
	if (!a->terminal.len)
		log_info("terminal.enrolled", "name=%s", a->conf.name);
	a->terminal = j->token;
	r = thin_fleet_keep(&a->conf, &a->terminal, j->config, &e);
	if (r < 0)
		log_warn("terminal.keep", "reason=%s", e.msg);
	show(a);
	if (r > 0 && !a->token.len && !a->opts->screenshot) {
		log_info("terminal.restart", "reason=keyboard or language");
		thin_app_quit(a, 0);
	}
}

static void on_round(struct thin_job *j, void *arg)
{
	struct thin_app *a = arg;
	char said[sizeof(j->err.msg) + 80];

	if (!j->result) {
		take(a, j);
		thin_page_admin_say(&a->admin, _("This terminal is enrolled."));
	} else {
		log_warn("terminal.report", "code=%s reason=%s", j->err.word, j->err.msg);
		thin_page_admin_say(&a->admin, language_said(j->err.msg, said, sizeof(said)));
		if (!strcmp(j->err.word, "terminal.unknown")) {
			secret_wipe(&a->terminal);
			a->conf = a->file;
			show(a);
			thin_fleet_forget(&a->conf);
		}
	}
	again(a, THIN_FLEET_INTERVAL_S);
}

static void round_now(struct thin_app *a, const char *code)
{
	struct thin_site site = a->site;
	struct thin_job *j;
	struct err e = {0};

	if (thin_site_parse(&site, a->conf.server, &e)) {
		log_warn("terminal.report", "reason=%s", e.msg);
		return;
	}
	if (!site.ca[0])
		thin_settings_find_pin(&site);
	g_cancellable_cancel(a->fleet);
	g_clear_object(&a->fleet);
	a->fleet = g_cancellable_new();
	j = thin_job_new(THIN_JOB_TERMINAL, &site);
	if (!code)
		j->secret = a->terminal;
	snprintf(j->code, sizeof(j->code), "%s", code ? code : a->conf.enrol);
	thin_job_run(j, a->fleet, on_round, a);
}

static gboolean on_time(gpointer arg)
{
	struct thin_app *a = arg;

	a->fleet_id = 0;
	if (a->terminal.len || a->conf.enrol[0])
		round_now(a, NULL);
	return G_SOURCE_REMOVE;
}

void thin_terminal_start(struct thin_app *a)
{
	if (!a->conf.terminal)
		return;
	show(a);
	if (a->conf.server[0] && !a->opts->screenshot)
		on_time(a);
}

void thin_terminal_enrol(struct thin_app *a, const char *code)
{
	thin_page_admin_say(&a->admin, _("Asking the server …"));
	round_now(a, code);
}

void thin_terminal_stop(struct thin_app *a)
{
	g_clear_handle_id(&a->fleet_id, g_source_remove);
	if (a->fleet)
		g_cancellable_cancel(a->fleet);
	g_clear_object(&a->fleet);
	secret_wipe(&a->terminal);
}
