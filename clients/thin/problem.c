/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Error words to titles and next steps; see problem.h.
 */
#include "clients/thin/problem.h"
#include "common/log.h"
#include "common/secret.h"

#include <string.h>

static const struct row {
	const char *word, *title, *next;
	bool sign_in, hopeless;
} rows[] = {
	{"login.failed", "Sign-in failed", "Check the user name and password and try again.", true,
	 true},
	{"totp.required", "Code needed", "Type the code that your authenticator app shows.", true,
	 true},
	{"totp.enroll", "Second factor needed",
	 "Set one up in the portal, in a browser, then sign in here.", true, true},
	{"login.throttled", "Too many attempts", "Wait a minute, then try again.", true, true},
	{"login.busy", "The server is busy", "Try again in a moment.", true, false},
	{"login.needed", "Please sign in again", "Your sign-in has run out.", true, true},
	{"login.expired", "Please sign in again", "Your sign-in has run out.", true, true},
	{"server.address", "Server address", "Correct the server address.", true, true},
	{"server.unreachable", "Server not reachable",
	 "Check the network cable or Wi-Fi and the server address, then try again.", false, false},
	{"server.timeout", "The server does not answer", "Try again in a moment.", false, false},
	{"server.untrusted", "Server not trusted",
	 "Do not enter your password. Ask the helpdesk for the site's CA file.", false, true},
	{"ca.unreadable", "CA file not readable", "Correct --ca and start again.", false, true},
	{"desktop.unknown", "No such desktop", "Choose another desktop, or ask for access.", false,
	 true},
	{"pool.unknown", "No such desktop", "Choose another desktop, or ask for access.", false,
	 true},
	{"desktop.none", "No desktop for you yet",
	 "Ask your administrator to entitle you to a desktop pool.", false, true},
	{"desktop.unavailable", "No desktop available",
	 "Try again later, or tell the helpdesk the id below.", false, false},
	{"session.refused", "The gateway refused the session",
	 "Try again: every attempt uses a new ticket.", false, false},
	{"session.throttled", "Too many connections", "Wait a minute, then try again.", false,
	 false},
	{"desktop.unreachable", "Desktop not reachable",
	 "Try again in a moment; if it stays so, tell the helpdesk the id below.", false, false},
	{"desktop.starting", "The desktop is still starting", "Try again in a moment.", false,
	 false},
	{"broker.down", "The site is recovering", "Try again in a few seconds.", false, false},
	{"session.lost", "The connection was lost", "Check the network, then connect again.", false,
	 false},
	{"session.ended", "The session has ended", "Connect again to go on where you were.", false,
	 true},
	{"session.taken", "Your desktop was opened elsewhere",
	 "Connect again to bring it back to this screen.", false, true},
	{"session.timeout", "No picture arrived in time",
	 "Try again; if it stays so, tell the helpdesk the id below.", false, false},
};

static const struct row other = {"", "Something went wrong",
				 "Try again; if it stays so, tell the helpdesk the id below.",
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
	p->title = r->title;
	p->next = r->next;
	p->sign_in = r->sign_in;
	p->hopeless = r->hopeless;
	snprintf(p->word, sizeof(p->word), "%s", e->word[0] ? e->word : "internal");
	snprintf(p->cause, sizeof(p->cause), "%s", e->msg[0] ? e->msg : strerror(-e->code));
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
