/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Error words to titles and next steps; see problem.h.
 */
#include "clients/thin/problem.h"
#include "common/language.h"
#include "common/log.h"
#include "common/secret.h"

#include <string.h>

static const struct row {
	const char *word, *title, *next;
	bool sign_in, hopeless;
} rows[] = {
	{"login.failed", N_("Sign-in failed"),
	 N_("Check the user name and password and try again."), true, true},
	{"totp.required", N_("Code needed"), N_("Type the code that your authenticator app shows."),
	 true, true},
	{"totp.enroll", N_("Second factor needed"),
	 N_("Set one up in the portal, in a browser, then sign in here."), true, true},
	{"login.throttled", N_("Too many attempts"), N_("Wait a minute, then try again."), true,
	 true},
	{"login.busy", N_("The server is busy"), N_("Try again in a moment."), true, false},
	{"login.needed", N_("Please sign in again"), N_("Your sign-in has run out."), true, true},
	{"login.expired", N_("Please sign in again"), N_("Your sign-in has run out."), true, true},
	{"server.address", N_("Server address"), N_("Correct the server address."), true, true},
	{"server.unreachable", N_("Server not reachable"),
	 N_("Check the network cable or Wi-Fi and the server address, then try again."), false,
	 false},
	{"server.timeout", N_("The server does not answer"), N_("Try again in a moment."), false,
	 false},
	{"server.untrusted", N_("Server not trusted"),
	 N_("Do not enter your password. Ask the helpdesk for the site's CA file."), false, true},
	{"ca.unreadable", N_("CA file not readable"), N_("Correct --ca and start again."), false,
	 true},
	{"desktop.unknown", N_("No such desktop"), N_("Choose another desktop, or ask for access."),
	 false, true},
	{"pool.unknown", N_("No such desktop"), N_("Choose another desktop, or ask for access."),
	 false, true},
	{"desktop.none", N_("No desktop for you yet"),
	 N_("Ask your administrator to entitle you to a desktop pool."), false, true},
	{"desktop.unavailable", N_("No desktop available"),
	 N_("Try again later, or tell the helpdesk the id below."), false, false},
	{"session.refused", N_("The gateway refused the session"),
	 N_("Try again: every attempt uses a new ticket."), false, false},
	{"session.throttled", N_("Too many connections"), N_("Wait a minute, then try again."),
	 false, false},
	{"desktop.unreachable", N_("Desktop not reachable"),
	 N_("Try again in a moment; if it stays so, tell the helpdesk the id below."), false,
	 false},
	{"desktop.starting", N_("The desktop is still starting"), N_("Try again in a moment."),
	 false, false},
	{"broker.down", N_("The site is recovering"), N_("Try again in a few seconds."), false,
	 false},
	{"session.lost", N_("The connection was lost"),
	 N_("Check the network, then connect again."), false, false},
	{"session.ended", N_("The session has ended"), N_("Connect again to go on where you were."),
	 false, true},
	{"session.taken", N_("Your desktop was opened elsewhere"),
	 N_("Connect again to bring it back to this screen."), false, true},
	{"session.timeout", N_("No picture arrived in time"),
	 N_("Try again; if it stays so, tell the helpdesk the id below."), false, false},
};

static const struct row other = {"", N_("Something went wrong"),
				 N_("Try again; if it stays so, tell the helpdesk the id below."),
				 false, false};

static const struct row *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].word, word))
			return &rows[i];
	return &other;
}

/* Takes " (id xyz)" out of the text into id; what stands behind it stays. */
static bool take_id(char *text, char *id, size_t n)
{
	char *at = strstr(text, " (id "), *end = at ? strchr(at, ')') : NULL;

	if (!end || (size_t)(end - at - 5) >= n)
		return false;
	snprintf(id, n, "%.*s", (int)(end - at - 5), at + 5);
	memmove(at, end + 1, strlen(end + 1) + 1);
	return true;
}

void thin_problem_from(struct thin_problem *p, const struct err *e)
{
	const struct row *r = find(e->word);

	memset(p, 0, sizeof(*p));
	p->title = _(r->title);
	p->next = _(r->next);
	p->sign_in = r->sign_in;
	p->hopeless = r->hopeless;
	snprintf(p->word, sizeof(p->word), "%s", e->word[0] ? e->word : "internal");
	if (e->msg[0])
		language_said(e->msg, p->cause, sizeof(p->cause));
	else
		snprintf(p->cause, sizeof(p->cause), "%s", strerror(-e->code));
	if (!take_id(p->cause, p->id, sizeof(p->id))) {
		char id[ID_LEN + 1];

		random_id(id);
		snprintf(p->id, sizeof(p->id), "%s", id);
	}
}

void thin_problem_log(const struct thin_problem *p)
{
	log_warn("thin.problem", "id=%s word=%s msg=%s", LOG_Q(p->id), LOG_Q(p->word),
		 LOG_Q(p->cause));
}
