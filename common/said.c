/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What servers and common/http.c say to people, English, in the reader's language; see language.h.
 * A %s of a sentence stands for anything, in the same order in all languages. What is not in the
 * list, what a site wrote itself, and reasons behind a sentence stay as they are. A test of the
 * sources fails for a sentence here that no program says any more (tests/common/said_test.py).
 */
#include "common/language.h"

#include <stdio.h>
#include <string.h>

static const char *const sentences[] = {
	/* The broker, of logins. */
	N_("The user name, password or ticket is not right, or no longer valid."),
	N_("Your login has ended. Log in again."),
	N_("Too many failed logins from this address. Try again in %s s."),
	N_("Too many wrong codes. Try again in %s s."),
	N_("Too many people log in at once. Try again."),
	N_("Send the code of your authenticator app, too."),
	N_("Type the six digits of your authenticator app directly after the password."),
	N_("Your account asks for a second factor. Log in once in a browser or with pane login to "
	   "set one up."),
	N_("Your account asks for a second factor. Add this address to an authenticator app and "
	   "log in with the code it shows."),
	/* The broker, of desktops. */
	N_("You have several desktops. Choose one: user#desktop."),
	N_("You have no desktop or pool named %s."),
	N_("You have no desktop yet. Ask an administrator to give you one."),
	N_("Your desktop has just changed its state. Try again."),
	N_("No desktop can be given to you now."),
	N_("Your desktop is not available now."),
	N_("A desktop is being made fresh for you."),
	N_("Waiting for a host."),
	N_("Your desktop's disk is being made."),
	N_("Your desktop is booting."),
	/* The gateway. */
	N_("User name or password is wrong."),
	N_("That did not work. Try again in a moment."),
	N_("Choose a desktop."),
	N_("The broker refused this login."),
	N_("The broker does not answer; try again in a few seconds."),
	N_("The host of this desktop does not answer; try again in a few seconds."),
	N_("The host refused this connection."),
	N_("The desktop's display does not answer as expected."),
	/* common/http.c; what curl says stays in English. */
	N_("cannot reach %s: %s. Check the address, and that the gateway runs."),
	N_("%s could not prove its identity: %s. Check the CA file."),
	N_("%s did not answer in time"),
};

#define HOLES_MAX 2

/* What stood where a sentence has %s. */
struct holes {
	int n;
	const char *at[HOLES_MAX];
	size_t len[HOLES_MAX];
};

static const char *find(const char *text, size_t n, const char *piece, size_t len)
{
	return len ? memmem(text, n, piece, len) : text + n;
}

/* Whether n bytes of text are the sentence. Each hole takes as little as it can, the last one all
 * that is left before the sentence's end. */
static bool match(const char *sentence, const char *text, size_t n, struct holes *h)
{
	const char *hole = strstr(sentence, "%s"), *end = text + n;
	size_t piece = hole ? (size_t)(hole - sentence) : strlen(sentence);

	h->n = 0;
	if (n < piece || memcmp(text, sentence, piece) != 0)
		return false;
	text += piece;
	while (hole && h->n < HOLES_MAX) {
		const char *next = strstr(hole + 2, "%s"), *at;

		sentence = hole + 2;
		piece = next ? (size_t)(next - sentence) : strlen(sentence);
		if ((size_t)(end - text) < piece)
			return false;
		at = next ? find(text, (size_t)(end - text), sentence, piece) : end - piece;
		if (!at || memcmp(at, sentence, piece) != 0)
			return false;
		h->at[h->n] = text;
		h->len[h->n++] = (size_t)(at - text);
		text = at + piece;
		hole = next;
	}
	return text == end;
}

/* The sentence's translation with what stood in it, and the rest of the text behind. */
static void compose(char *out, size_t n, const char *sentence, const struct holes *h,
		    const char *rest)
{
	const char *text = gettext(sentence), *hole;
	size_t at = 0;

	for (int i = 0; i < h->n && at < n && (hole = strstr(text, "%s")); i++) {
		at += (size_t)snprintf(out + at, n - at, "%.*s%.*s", (int)(hole - text), text,
				       (int)h->len[i], h->at[i]);
		text = hole + 2;
	}
	if (at < n)
		snprintf(out + at, n - at, "%s%s", text, rest);
}

/* The first n bytes of text are a sentence, or nothing was done. */
static bool say(const char *text, size_t n, char *out, size_t size)
{
	struct holes h;

	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		if (match(sentences[i], text, n, &h)) {
			compose(out, size, sentences[i], &h, text + n);
			return true;
		}
	return false;
}

const char *language_said(const char *text, char *out, size_t n)
{
	const char *end = strstr(text, " ("), *line = strchr(text, '\n');

	/* " (id …)", " (reasons)" and lines of reasons follow a sentence. */
	if (!end || (line && line < end))
		end = line;
	if (!say(text, strlen(text), out, n) && !(end && say(text, (size_t)(end - text), out, n)))
		snprintf(out, n, "%s", text);
	return out;
}
