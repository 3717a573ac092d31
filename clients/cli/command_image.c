/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about images, homes, the audit and what was used. See command.h.
 */
#include "clients/cli/part.h"
#include "clients/cli/run.h"

static const struct cli_option image_import_options[] = {
	{"name", "NAME", CLI_LOCAL, NULL, NULL, false,
	 "name of the image; otherwise the file's, up to its first dot"},
	{"changelog", "TEXT", CLI_LOCAL, NULL, NULL, false, "what is new in this version"},
	{"continue", "VERSION", CLI_LOCAL, NULL, NULL, false,
	 "go on with an upload that broke off"},
	END,
};

static const struct cli_option image_build_options[] = {
	{"name", "NAME", CLI_LOCAL, NULL, NULL, false, "name of the image; otherwise the recipe's"},
	{"changelog", "TEXT", CLI_LOCAL, NULL, NULL, false, "what is new in this version"},
	{"recipes", "DIR", CLI_LOCAL, NULL, NULL, false,
	 "where recipes lie; otherwise those that came with Pane"},
	END,
};

static const struct cli_option image_recipes_options[] = {
	{"recipes", "DIR", CLI_LOCAL, NULL, NULL, false,
	 "where recipes lie; otherwise those that came with Pane"},
	END,
};

static const struct cli_option image_delete_options[] = {
	{"image-version", "VERSION", CLI_LOCAL, NULL, NULL, false, "only this version of it"},
	END,
};

static const struct cli_option tag_options[] = {
	{"tag", "TAG", CLI_STRING, "tag", "stable", false, "the tag to move"},
	END,
};

static const struct cli_option audit_options[] = {
	{"last", "N", CLI_LOCAL, NULL, "50", false, "show this many entries"},
	END,
};

static const struct cli_option usage_options[] = {
	{"from", "DAY", CLI_LOCAL, NULL, NULL, false,
	 "the first day, as 2026-11-28; 30 days before the last"},
	{"to", "DAY", CLI_LOCAL, NULL, NULL, false, "the last day; today"},
	{"by", "WHAT", CLI_LOCAL, NULL, "pool", false,
	 "a line for each day, pool or user; several with commas between"},
	{"csv", NULL, CLI_LOCAL, NULL, NULL, false, "as a file for a spreadsheet"},
	END,
};

static const struct cli_column usage_columns[] = {
	{"DAY", "day", CLI_TEXT},
	{"POOL", "pool", CLI_TEXT},
	{"USER", "user", CLI_TEXT},
	{"DESKTOP H", "desktop_hours", CLI_TEXT},
	{"CONNECTED H", "connected_hours", CLI_TEXT},
	{"CONNECTS", "connects", CLI_TEXT},
	{"CPU H", "cpu_hours", CLI_TEXT},
	{"OVERHEAD H", "overhead_hours", CLI_TEXT},
	{"I/O H", "io_hours", CLI_TEXT},
	{"DISPLAY H", "display_hours", CLI_TEXT},
	{"GIB H", "memory_gib_hours", CLI_TEXT},
	{"DISK MIB", "disk_mib", CLI_TEXT},
	{"NET MIB", "net_mib", CLI_TEXT},
	END,
};

static const struct cli_column image_columns[] = {
	{"IMAGE", "name", CLI_TEXT},
	{"TAGS", "tags", CLI_TEXT},
	{"VERSIONS", "versions", CLI_TEXT},
	{"POOLS", "pools", CLI_TEXT},
	{"ON HOSTS", "hosts", CLI_TEXT},
	{"PROBLEMS", "problems", CLI_TEXT},
	END,
};

static const struct cli_column home_columns[] = {
	{"HOME", "key", CLI_TEXT},	    {"USER", "user", CLI_TEXT},
	{"POOL", "pool", CLI_TEXT},	    {"HOST", "host", CLI_TEXT},
	{"STATE", "state", CLI_TEXT},	    {"MIB", "mib", CLI_TEXT},
	{"USED", "used_mib", CLI_TEXT},	    {"DESKTOP", "desktop", CLI_TEXT},
	{"LAST USED", "used_at", CLI_TIME}, {"NOBODY'S SINCE", "orphan_at", CLI_TIME},
	{"REASON", "reason", CLI_TEXT},	    END,
};

static const struct cli_column logon_columns[] = {
	{"TIME", "at", CLI_TIME},
	{"USER", "user", CLI_TEXT},
	{"DESKTOP", "desktop", CLI_TEXT},
	{"PROOF", "auth_ms", CLI_TEXT},
	{"ASSIGN", "assign_ms", CLI_TEXT},
	{"START", "start_ms", CLI_TEXT},
	{"DISPLAY", "display_ms", CLI_TEXT},
	{"CLIENT", "client", CLI_TEXT},
	{"CONN", "conn", CLI_TEXT},
	END,
};

static const struct cli_column audit_columns[] = {
	{"TIME", "at", CLI_TIME},
	{"ACTOR", "actor", CLI_TEXT},
	{"ACTION", "action", CLI_TEXT},
	{"OBJECT", "object", CLI_TEXT},
	{"OUTCOME", "outcome", CLI_TEXT},
	{"CLIENT", "client", CLI_TEXT},
	{"CONN", "conn", CLI_TEXT},
	{"DETAIL", "detail", CLI_TEXT},
	END,
};

const struct cli_command cli_image[] = {
	{.noun = "image",
	 .verb = "import",
	 .args = "FILE",
	 .options = image_import_options,
	 .run = cli_run_image_import,
	 .help = "upload a disk image or appliance as a new version"},
	{.noun = "image",
	 .verb = "build",
	 .args = "RECIPE",
	 .options = image_build_options,
	 .run = cli_run_image_build,
	 .help = "build an image on this machine and import it as a new version"},
	{.noun = "image",
	 .verb = "recipes",
	 .args = "",
	 .options = image_recipes_options,
	 .run = cli_run_image_recipes,
	 .help = "list the recipes images are built from"},
	{.noun = "image",
	 .verb = "show",
	 .args = "IMAGE",
	 .method = "GET",
	 .path = V "/images/{1}",
	 .show = CLI_SHOW_DETAILS,
	 .help = "show an image and its versions"},
	{.noun = "image",
	 .verb = "publish",
	 .args = "IMAGE VERSION",
	 .method = "POST",
	 .path = V "/images/{1}/{2}/publish",
	 .options = tag_options,
	 .done = "image {1} version {2} is published",
	 .help = "move a tag to a version: new desktops are made from it"},
	{.noun = "image",
	 .verb = "rollback",
	 .args = "IMAGE",
	 .method = "POST",
	 .path = V "/images/{1}/rollback",
	 .options = tag_options,
	 .done = "image {1} is rolled back",
	 .help = "move a tag back to where it pointed before"},
	{.noun = "image",
	 .verb = "export",
	 .args = "IMAGE VERSION DIR",
	 .run = cli_run_image_export,
	 .help = "fetch the files of a version into a directory"},
	{.noun = "image",
	 .verb = "delete",
	 .args = "IMAGE",
	 .options = image_delete_options,
	 .run = cli_run_image_delete,
	 .help = "delete an image, or one version of it"},
	{.noun = "image",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/images",
	 .show = CLI_SHOW_TABLE,
	 .columns = image_columns,
	 .help = "list golden images and their hosts"},
	{.noun = "homes",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/homes",
	 .show = CLI_SHOW_TABLE,
	 .columns = home_columns,
	 .help = "list the files users have apart from their desktops, and those hosts have of "
		 "nobody (left)"},
	{.noun = "homes",
	 .verb = "delete",
	 .args = "HOME",
	 .method = "DELETE",
	 .path = V "/homes/{1}",
	 .done = "home {1} is deleted",
	 .help = "delete a home and the files in it, unless a desktop has it"},
	{.noun = "audit",
	 .verb = "list",
	 .args = "",
	 .path = V "/audit",
	 .options = audit_options,
	 .run = cli_run_newest,
	 .columns = audit_columns,
	 .help = "list what was done, newest first"},
	{.noun = "logons",
	 .verb = "list",
	 .args = "",
	 .path = V "/logons",
	 .options = audit_options,
	 .run = cli_run_newest,
	 .columns = logon_columns,
	 .help = "where the time of logons went, in milliseconds, newest first"},
	{.noun = "usage",
	 .args = "",
	 .options = usage_options,
	 .run = cli_run_usage,
	 .columns = usage_columns,
	 .help = "what was used: hours, processor, memory, disk and network by day, pool or user"},
	END,
};
