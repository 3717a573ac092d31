/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See home.h. The file system is made in a file of another name, so that a half-made one is never
 * taken for somebody's files. mkfs writes a few MiB whatever the size (lazy tables), which is short
 * enough for the agent's loop.
 */
#include "vmm/host/home.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/orders.h"

#define MKFS "/sbin/mkfs.ext4"

extern char **environ;

/* Waits: both programs take milliseconds. */
static int run(const char *const argv[], struct err *e)
{
	int status, r;
	pid_t pid;

	r = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r)
		return err_set(e, -r, "cannot run %s: %s", argv[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "%s: %s", argv[0], strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, -EIO, "%s could not make a disk of this desktop", argv[0]);
	return 0;
}

int host_seed_make(const struct host_config *c, const char *dir, const char *name, const char *id,
		   struct err *e)
{
	char path[PATH_MAX];
	const char *argv[] = {c->pane_image, "seed",   path,	     "--hostname", name, "--user",
			      "user",	     "--sudo", "--instance", id,	   NULL};
	struct stat st;
	int r = path_join(path, sizeof(path), dir, "seed.raw");

	if (r < 0 || stat(path, &st) == 0)
		return r;
	if (!c->pane_image)
		return err_set(e, -ENOENT,
			       "this image needs a cloud-init volume: set pane_image in "
			       "[desktops] of this host's configuration");
	return run(argv, e);
}

static int run_mkfs(const char *path, struct err *e)
{
	/* The guest's user is uid 1000 and owns the root of it. */
	static const char how[] = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,"
				  "root_owner=1000:1000";
	const char *argv[] = {MKFS, "-q", "-F", "-L", "pane-home", "-m",
			      "0",  "-E", how,	path, NULL};

	return run(argv, e);
}

int host_home_make(const struct host_config *c, const char *key, int mib, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX], part[PATH_MAX + 8];
	cleanup_close int fd = -1;
	struct stat st;
	int r = host_config_path(c, dir, "homes", NULL);

	if (r < 0 || !host_uuid_ok(key) || mib < 1)
		return err_set(e, -EINVAL, "a home disk needs a key and a size");
	if ((r = dir_make(dir, 0700, e)) < 0 ||
	    snprintf(path, sizeof(path), "%s/%s.raw", dir, key) >= (int)sizeof(path))
		return r < 0 ? r : -ENAMETOOLONG;
	if (stat(path, &st) == 0)
		return 0;
	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)mib << 20) < 0)
		return err_set(e, -errno, "%s: %s", part, strerror(errno));
	r = run_mkfs(part, e);
	if (r == 0 && (fsync(fd) < 0 || rename(part, path) < 0))
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (r < 0)
		unlink(part);
	return r;
}
