/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about the site as a whole: its gateways with their certificates, and what it looks like.
 * See command.h.
 */
#include "clients/cli/part.h"
#include "clients/cli/run.h"

static const struct cli_column gateway_columns[] = {
	{"GATEWAY", "gateway", CLI_TEXT},
	{"STATE", "state", CLI_TEXT},
	{"SEEN", "seen_s", CLI_AGE},
	{"SHOWN TO", "use", CLI_TEXT},
	{"ENDS", "not_after", CLI_TIME},
	{"DAYS", "days", CLI_TEXT},
	{"KEY", "key", CLI_TEXT},
	{"NAMES", "names", CLI_TEXT},
	{"ISSUER", "issuer", CLI_TEXT},
	{"FINGERPRINT", "fingerprint", CLI_TEXT},
	END,
};

static const struct cli_column task_columns[] = {
	{"TASK", "kind", CLI_TEXT},
	{"OF", "name", CLI_TEXT},
	{"WHAT", "what", CLI_TEXT},
	{"STATE", "state", CLI_TEXT},
	{"DONE", "done", CLI_TEXT},
	{"ALL", "total", CLI_TEXT},
	{"%", "percent", CLI_TEXT},
	{"SINCE", "since", CLI_TIME},
	{"BY", "by", CLI_TEXT},
	{"REASON", "reason", CLI_TEXT},
	END,
};

static const struct cli_option branding_options[] = {
	{"name", "TEXT", CLI_STRING, "name", NULL, false,
	 "what the site is called in the console and its titles; \"\" for Pane"},
	{"login-text", "TEXT", CLI_STRING, "login_text", NULL, false,
	 "shown above the sign-in form, before anybody is logged in; \"\" for none"},
	{"support", "TEXT", CLI_STRING, "support", NULL, false,
	 "whom to ask for help: a telephone number, an address; \"\" for none"},
	{"accent", "COLOUR", CLI_STRING, "accent", NULL, false,
	 "of buttons and links, as #0b5394; dark enough to be read; \"\" for the usual one"},
	{"logo", "FILE", CLI_BASE64, "logo", NULL, false,
	 "a PNG of 16 to 1024 pixels each way and at most 128 KiB"},
	{"no-logo", NULL, CLI_NULL, "logo", NULL, false, "the usual one"},
	END,
};

const struct cli_command cli_site[] = {
	{.noun = "gateways",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/gateways",
	 .show = CLI_SHOW_TABLE,
	 .columns = gateway_columns,
	 .run = cli_run_gateways,
	 .help = "list gateways with the certificates they show, and what to do about those that "
		 "end soon"},
	{.noun = "gateways",
	 .verb = "forget",
	 .args = "GATEWAY",
	 .method = "DELETE",
	 .path = V "/gateways/{1}",
	 .done = "gateway {1} is forgotten",
	 .help = "take one that is gone off the list; one that runs is back within a minute"},
	{.noun = "tasks",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/tasks",
	 .show = CLI_SHOW_TABLE,
	 .columns = task_columns,
	 .help = "list what is under way, with how far it is: updates of pools, images on their "
		 "way, "
		 "hosts that are emptied, pools that fill up"},
	{.noun = "branding",
	 .verb = "show",
	 .args = "",
	 .method = "GET",
	 .path = V "/branding",
	 .show = CLI_SHOW_DETAILS,
	 .help = "show what the site is called and looks like"},
	{.noun = "branding",
	 .verb = "set",
	 .args = "",
	 .method = "PATCH",
	 .path = V "/branding",
	 .options = branding_options,
	 .done = "the console looks so from its next page on",
	 .help = "change what the site is called and looks like; people see it before they log in"},
	END,
};
