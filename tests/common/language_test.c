/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Languages: which codes are taken, which catalogue is found, and how servers' sentences are told.
 * The catalogue here marks every text: deploy/messages --pseudo.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/language.h"

static char dir[] = "/tmp/pane-language-XXXXXX";

static void codes(void **state)
{
	static const char *const good[] = {"de", "pt_BR", "nds"};
	static const char *const bad[] = {"",	       "d",	"DE",	  "german",
					  "de_",       "de_D",	"de_at",  "de_DEU",
					  "../../etc", "de/..", "pt_BR.", "de:fr"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(language_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(language_ok(bad[i]));
}

static void said(const char *text, const char *want)
{
	char out[400];

	assert_string_equal(language_said(text, out, sizeof(out)), want);
}

static void what_is_not_known_stays(void **state)
{
	(void)state;
	language_begin("pane-lobby", dir, "xx");
	said("The site's own words.", "The site's own words.");
	said("", "");
	said("Waiting for a host", "Waiting for a host");
	said("Too many wrong codes. Try again in 5 m.", "Too many wrong codes. Try again in 5 m.");
}

static void known_sentences_keep_what_stood_in_them(void **state)
{
	(void)state;
	language_begin("pane-lobby", dir, "xx");
	said("Waiting for a host.", "[!!! Waiting for a host. !!!]");
	said("Waiting for a host. (id x7)", "[!!! Waiting for a host. !!!] (id x7)");
	said("No desktop can be given to you now.\n• h1: full",
	     "[!!! No desktop can be given to you now. !!!]\n• h1: full");
	said("Too many wrong codes. Try again in 5 s.",
	     "[!!! Too many wrong codes. Try again in 5 s. !!!]");
	said("You have no desktop or pool named %s %n.",
	     "[!!! You have no desktop or pool named %s %n. !!!]");
	said("cannot reach https://gw: refused (1). Check the address, and that the gateway runs.",
	     "[!!! cannot reach https://gw: refused (1). Check the address, and that the gateway "
	     "runs. !!!]");
}

static void too_long_is_cut(void **state)
{
	char out[12];

	(void)state;
	language_begin("pane-lobby", dir, "xx");
	assert_string_equal(language_said("Waiting for a host.", out, sizeof(out)), "[!!! Waitin");
	assert_string_equal(
		language_said("Too many wrong codes. Try again in 5 s.", out, sizeof(out)),
		"[!!! Too ma");
	assert_string_equal(language_said("something else entirely", out, sizeof(out)),
			    "something e");
}

static void the_first_language_with_a_catalogue_counts(void **state)
{
	(void)state;
	language_begin("pane-lobby", dir, "fr");
	assert_string_equal(_("Log in"), "Log in");
	language_begin("pane-lobby", dir, "fr:xx");
	assert_string_equal(_("Log in"), "[!!! Log in !!!]");
	language_begin("pane-lobby", dir, "en:xx_YY");
	assert_string_equal(_("Log in"), "[!!! Log in !!!]"); /* a country's is its language's */
	language_begin("pane-lobby", dir, "en");
	assert_string_equal(_("Log in"), "Log in");
}

static void the_environment_counts_where_nothing_else_is_said(void **state)
{
	(void)state;
	unsetenv("LANGUAGE");
	setenv("LC_ALL", "xx_YY.UTF-8", 1); /* a locale that no machine has */
	language_begin("pane-lobby", dir, NULL);
	assert_string_equal(_("Log in"), "[!!! Log in !!!]");
	unsetenv("LANGUAGE");
	setenv("LC_ALL", "C", 1);
	language_begin("pane-lobby", dir, "");
	assert_string_equal(_("Log in"), "Log in");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes),
		cmocka_unit_test(what_is_not_known_stays),
		cmocka_unit_test(known_sentences_keep_what_stood_in_them),
		cmocka_unit_test(too_long_is_cut),
		cmocka_unit_test(the_first_language_with_a_catalogue_counts),
		cmocka_unit_test(the_environment_counts_where_nothing_else_is_said),
	};
	char command[200];
	int r;

	if (!mkdtemp(dir))
		return 1;
	snprintf(command, sizeof(command), "deploy/messages --pseudo %s", dir);
	if (system("command -v msgen >/dev/null")) {
		puts("gettext is not installed");
		return 77;
	}
	if (system(command))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) ? 1 : r;
}
