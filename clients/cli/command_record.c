/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about recordings of sessions. See command.h.
 */
#include "clients/cli/part.h"
#include "clients/cli/run.h"

static const struct cli_option play_options[] = {
	{"player", "PROGRAM", CLI_LOCAL, NULL, NULL, false,
	 "play with this one; otherwise ffplay, else what the desktop opens videos with"},
	END,
};

static const struct cli_option pool_record_options[] = {
	{"days", "N", CLI_LOCAL, NULL, NULL, false, "keep recordings for so many days (30)"},
	END,
};

static const struct cli_column record_columns[] = {
	{"RECORDING", "id", CLI_TEXT},
	{"DESKTOP", "desktop", CLI_TEXT},
	{"USER", "user", CLI_TEXT},
	{"BEGAN", "began_at", CLI_TIME},
	{"ENDED", "ended_at", CLI_TIME},
	{"BYTES", "bytes", CLI_TEXT},
	{"STATE", "state", CLI_TEXT},
	{"HOST", "host", CLI_TEXT},
	{"KEPT UNTIL", "kept_until", CLI_TIME},
	{"REASON", "reason", CLI_TEXT},
	END,
};

const struct cli_command cli_record[] = {
	{.noun = "record",
	 .verb = "list",
	 .args = "",
	 .method = "GET",
	 .path = V "/recordings",
	 .show = CLI_SHOW_TABLE,
	 .columns = record_columns,
	 .help = "list recordings of sessions, newest first"},
	{.noun = "record",
	 .verb = "export",
	 .args = "RECORDING FILE",
	 .run = cli_run_record_export,
	 .help = "fetch a recording into a file (Matroska)"},
	{.noun = "record",
	 .verb = "play",
	 .args = "RECORDING",
	 .options = play_options,
	 .run = cli_run_record_play,
	 .help = "fetch a recording and play it"},
	{.noun = "record",
	 .verb = "delete",
	 .args = "RECORDING",
	 .method = "DELETE",
	 .path = V "/recordings/{1}",
	 .done = "recording {1} is deleted",
	 .help = "delete a recording"},
	{.noun = "record",
	 .verb = "pool",
	 .args = "POOL WHAT",
	 .options = pool_record_options,
	 .run = cli_run_record_pool,
	 .help = "record the sessions of a pool: on, off, or required (a session that cannot be "
		 "recorded is ended)"},
	END,
};
