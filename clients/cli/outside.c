/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handing a command to the program that does it; see outside.h.
 */
#include "clients/cli/outside.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const char *const words[] = {"doctor", "backup"};

/* "/usr/bin/pane" -> "/usr/bin/pane-doctor"; false when that is not there. */
static bool beside(char out[PATH_MAX], const char *word)
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = 0;
	slash = strrchr(out, '/');
	if (!slash || (size_t)snprintf(slash, PATH_MAX - (size_t)(slash - out), "/pane-%s", word) >=
			      PATH_MAX - (size_t)(slash - out))
		return false;
	return access(out, X_OK) == 0;
}

static int become(const char *word, char **argv, struct err *e)
{
	char path[PATH_MAX], name[32];

	snprintf(name, sizeof(name), "pane-%s", word);
	argv[0] = name;
	if (beside(path, word))
		execv(path, argv);
	else
		execvp(name, argv);
	return err_set(e, -errno, "%s cannot be started: %s; it is in Debian package pane-cli",
		       name, strerror(errno));
}

int cli_outside(char **argv, struct err *e)
{
	for (size_t i = 0; argv[1] && i < ARRAY_LEN(words); i++)
		if (strcmp(argv[1], words[i]) == 0)
			return become(words[i], argv + 1, e);
	return 0;
}

int cli_run_outside(struct cli_call *c, struct err *e)
{
	char name[] = "pane", json[] = "--json";
	char *argv[] = {name, c->json ? json : NULL, NULL};

	return become(c->command->noun, argv, e);
}
