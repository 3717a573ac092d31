/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of commands lies in files by subject. Each list ends with END.
 */
#ifndef PANE_CLI_PART_H
#define PANE_CLI_PART_H

#include "clients/cli/command.h"

#define END                                                                                        \
	{                                                                                          \
		0                                                                                  \
	}
#define V "/api/v1"

extern const struct cli_command cli_people[], cli_pool[], cli_desktop[], cli_image[], cli_record[],
	cli_thin[], cli_site[];

extern const struct cli_option cli_force_options[], cli_bin_options[];

#endif
