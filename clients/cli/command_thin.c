/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about thin client terminals. See command.h.
 */
#include "clients/cli/part.h"

static const struct cli_column thin_columns[] = {
	{"TERMINAL", "name", CLI_TEXT},	    {"STATE", "state", CLI_TEXT},
	{"SEEN", "last_seen_s", CLI_AGE},   {"ADDRESSES", "addresses", CLI_TEXT},
	{"VERSION", "version", CLI_TEXT},   {"POOL", "pool", CLI_TEXT},
	{"KEYBOARD", "keyboard", CLI_TEXT}, {"LANGUAGE", "language", CLI_TEXT},
	{"NOTICE", "notice", CLI_TEXT},	    END,
};

static const struct cli_option set_options[] = {
	{"name", "NAME", CLI_STRING, "name", NULL, false, "another name"},
	{"pool", "POOL", CLI_STRING, "pool", NULL, false,
	 "open the desktop of this pool at once, for those it is open to; \"\" for none"},
	{"auto", NULL, CLI_TRUE, "auto_connect", NULL, false,
	 "open the desktop at once where there is only one"},
	{"no-auto", NULL, CLI_FALSE, "auto_connect", NULL, false, "show the list first"},
	{"keyboard", "LAYOUT", CLI_STRING, "keyboard", NULL, false,
	 "layout of its keyboard: de, or de,us"},
	{"language", "LANGUAGE", CLI_STRING, "language", NULL, false, "of its pages: de, pt_BR"},
	{"notice", "TEXT", CLI_STRING, "notice", NULL, false, "shown under the sign-in form"},
	{"exit-pin", "DIGITS", CLI_STRING, "exit_pin", NULL, false,
	 "opens the administrator's page on it (Ctrl+Alt+Shift+A); \"\" for none"},
	END,
};

static const struct cli_option code_options[] = {
	{"uses", "N", CLI_NUMBER, "uses", "1", false, "how many terminals may enrol by it"},
	{"hours", "N", CLI_NUMBER, "hours", "24", false, "how long it is good"},
	END,
};

const struct cli_command cli_thin[] = {
	{.noun = "thin",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/terminals",
	 .show = CLI_SHOW_TABLE,
	 .columns = thin_columns,
	 .help = "list thin client terminals and when each was last seen"},
	{.noun = "thin",
	 .verb = "show",
	 .args = "TERMINAL",
	 .method = "GET",
	 .path = V "/terminals/{1}",
	 .show = CLI_SHOW_DETAILS,
	 .help = "show one terminal"},
	{.noun = "thin",
	 .verb = "enrol-code",
	 .args = "NAME",
	 .method = "POST",
	 .path = V "/terminals/codes",
	 .keys = "name",
	 .options = code_options,
	 .show = CLI_SHOW_DETAILS,
	 .help = "make a code by which a terminal enrols, shown once; several become NAME-1, "
		 "NAME-2"},
	{.noun = "thin",
	 .verb = "set",
	 .args = "TERMINAL",
	 .method = "PATCH",
	 .path = V "/terminals/{1}",
	 .keys = "-",
	 .options = set_options,
	 .done = "terminal {1} is configured; it takes it within a minute",
	 .help = "configure a terminal"},
	{.noun = "thin",
	 .verb = "forget",
	 .args = "TERMINAL",
	 .method = "DELETE",
	 .path = V "/terminals/{1}",
	 .done = "terminal {1} is forgotten",
	 .help = "forget a terminal; it has to enrol again"},
	END,
};
