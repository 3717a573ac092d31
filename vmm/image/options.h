/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of pane-image.
 */
#ifndef PANE_IMAGE_OPTIONS_H
#define PANE_IMAGE_OPTIONS_H

#include <limits.h>
#include "vmm/image/build.h"
#include "vmm/image/convert.h"
#include "vmm/image/inspect.h"
#include "vmm/image/seed.h"

enum img_command {
	IMG_CMD_HELP,
	IMG_CMD_VERSION,
	IMG_CMD_INSPECT,
	IMG_CMD_CONVERT,
	IMG_CMD_SEED,
	IMG_CMD_BUILD,
	IMG_CMD_RECIPES
};

struct img_options {
	enum img_command command;
	const char *word[2]; /* arguments after the command */
	int words;
	const char *name, *sha256;
	unsigned disk;
	bool json, quick;
	struct img_limits lim;
	struct img_seed seed; /* script and ssh_key are file names here */
	struct img_build build;
	char recipes_dir[PATH_MAX];
};

const char *img_options_help(void);
int img_options_parse(int argc, char **argv, struct img_options *o, struct err *e) must_check;

#endif
