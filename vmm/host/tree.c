/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Loop's thread: it waits for the removal, as it does for its own.
 */
#include "vmm/host/tree.h"

#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/tree.h"

extern char **environ;

static int by_cell(const char *cell, const char *path, struct err *e)
{
	const char *argv[] = {cell, "--remove", path, NULL};
	int status = 0, r;
	pid_t pid;

	r = posix_spawn(&pid, cell, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r)
		return err_set(e, -r, "cannot run %s: %s", cell, strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "%s: %s", cell, strerror(errno));
	return status ? err_set(e, -EACCES, "%s: pane-cell could not remove it, see the log", path)
		      : 0;
}

int host_tree_delete(const struct host_config *c, const char *path, struct err *e)
{
	struct err own = {0};
	int r = tree_delete(path, &own);

	if ((r == -EACCES || r == -EPERM) && c->cell && geteuid() != 0)
		return by_cell(c->cell, path, e);
	if (r < 0 && e)
		*e = own;
	return r;
}
