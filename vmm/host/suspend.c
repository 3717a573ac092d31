/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names and files of suspend.h. What is renamed is on the disk: pane-vmm syncs what it writes, and
 * a rename is followed by a sync of the directory. Loop's thread.
 */
#include "vmm/host/suspend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include "common/file.h"
#include "common/log.h"
#include "common/tree.h"
#include "vmm/host/machine.h"

#define NEW  "suspended.new"
#define KEPT "suspended"

static void forget(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct err e = {0};

	if (path_join(path, sizeof(path), dir, name) == 0 && tree_delete(path, &e) < 0)
		log_warn("suspend.remove", "path=%s error=%s", LOG_Q(path), LOG_Q(e.msg));
}

static int move(const char *dir, const char *from, const char *to)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	forget(dir, to);
	return renameat(fd, from, fd, to) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_file(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd, r = path_join(path, sizeof(path), dir, name);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

bool host_suspend_saved(const char *dir)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, KEPT "/state") == 0 && access(path, R_OK) == 0;
}

int host_suspend_begin(const char *dir, struct host_machine *m)
{
	char path[PATH_MAX];
	cleanup_close int state = -1, memory = -1;
	int r = path_join(path, sizeof(path), dir, NEW);

	host_suspend_forget(dir);
	if (r == 0)
		r = dir_make(path, 0700, NULL);
	if (r == 0 &&
	    ((state = make_file(path, "state")) < 0 || (memory = make_file(path, "memory")) < 0))
		r = state < 0 ? state : memory;
	return r < 0 ? r : host_machine_snapshot(m, state, memory);
}

int host_suspend_keep(const char *dir)
{
	return move(dir, NEW, KEPT);
}

int host_suspend_use(const char *dir)
{
	return move(dir, KEPT, HOST_SUSPEND_USED);
}

void host_suspend_tidy(const char *dir)
{
	forget(dir, NEW);
	forget(dir, HOST_SUSPEND_USED);
}

void host_suspend_forget(const char *dir)
{
	forget(dir, KEPT);
	host_suspend_tidy(dir);
}
