/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of the table of commands, and what they share; see part.h. In the order of the help.
 */
#include "clients/cli/part.h"

static const struct cli_command *const parts[] = {cli_people, cli_pool, cli_desktop, cli_image,
						  cli_record, cli_thin, cli_site};

const struct cli_command *cli_command_at(size_t i)
{
	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (const struct cli_command *k = parts[p]; k->noun; k++)
			if (i-- == 0)
				return k;
	return NULL;
}

const struct cli_option cli_force_options[] = {
	{"force", NULL, CLI_FORCE, NULL, NULL, false,
	 "also when desktops go with it; their disks are then given up"},
	END,
};

const struct cli_option cli_bin_options[] = {
	{"force", NULL, CLI_FORCE, NULL, NULL, false,
	 "not into the bin: used desktops are deleted at once"},
	END,
};

const struct cli_option cli_globals[] = {
	{"server", "URL", CLI_LOCAL, NULL, NULL, false, "the gateway, as https://host:port"},
	{"ca", "FILE", CLI_LOCAL, NULL, NULL, false, "trust servers certified by this CA"},
	{"fingerprint", "SHA256", CLI_LOCAL, NULL, NULL, false,
	 "trust the server whose certificate has this fingerprint"},
	{"json", NULL, CLI_LOCAL, NULL, NULL, false, "print what the server answered, as JSON"},
	{"help", NULL, CLI_LOCAL, NULL, NULL, false, "show help and exit"},
	{"version", NULL, CLI_LOCAL, NULL, NULL, false, "show the version and exit"},
	END,
};
