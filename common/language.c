/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See language.h. gettext looks up nothing in the locale "C", and newer C libraries nothing in
 * "C.UTF-8" either, whatever LANGUAGE says; a server or terminal may have no other. Any real locale
 * serves, since LANGUAGE names the catalogue and texts are UTF-8 in all of them.
 */
#include "common/language.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool language_ok(const char *code)
{
	size_t n = strspn(code, "abcdefghijklmnopqrstuvwxyz");

	if (n < 2 || n > 3)
		return false;
	code += n;
	if (!*code)
		return true;
	return code[0] == '_' && strspn(code + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 2 && !code[3];
}

static bool looks_up(const char *locale)
{
	return locale && strcmp(locale, "POSIX") != 0 &&
	       !(locale[0] == 'C' && (!locale[1] || locale[1] == '.'));
}

/* The environment's language where its locale is not installed. */
static const char *named(void)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return looks_up(v) ? v : NULL;
	}
	return NULL;
}

static void choose_locale(const char *wanted)
{
	static const char *const others[] = {"en_US.UTF-8", "de_DE.UTF-8", "C.UTF-8"};
	const char *env = getenv("LANGUAGE"), *locale, *name = named();

	if (wanted && *wanted)
		setenv("LANGUAGE", wanted, 1);
	else if (name && !(env && *env))
		setenv("LANGUAGE", name, 1);
	env = getenv("LANGUAGE");
	setlocale(LC_CTYPE, "");
	locale = setlocale(LC_MESSAGES, "");
	if (looks_up(locale) || !env || !*env)
		return;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (setlocale(LC_MESSAGES, others[i]))
			return;
}

/* bin/PROGRAM to share/locale. */
static bool beside(char *out, size_t n)
{
	char exe[3000];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (len < 0)
		return false;
	exe[len] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	return (size_t)snprintf(out, n, "%s/share/locale", exe) < n;
}

void language_begin(const char *domain, const char *dir, const char *wanted)
{
	char path[4096];

	choose_locale(wanted);
	if (!dir && beside(path, sizeof(path)))
		dir = path;
	if (!dir || !bindtextdomain(domain, dir))
		return;
	bind_textdomain_codeset(domain, "UTF-8");
	textdomain(domain);
	/* A text that nobody has is looked for in every catalogue there is: all are read now. */
	(void)dcgettext(domain, "\001", LC_MESSAGES);
}
