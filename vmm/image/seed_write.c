/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seed volume as a file system: a FAT volume made by mtools (mformat, mcopy), which need
 * neither root nor a mount. What they read is our own text, so they run without a sandbox.
 */
#include "vmm/image/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "common/file.h"
#include "vmm/image/staging.h"

#define VOLUME_KIB "2880" /* the largest floppy: every FAT driver reads it */

static int run(const char *const argv[], struct err *e)
{
	char *env[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"MTOOLS_SKIP_CHECK=1"},
		       (char[]){"SOURCE_DATE_EPOCH=1700000000"}, (char[]){"LC_ALL=C"}, NULL};
	int status = 0, r;
	pid_t pid;

	r = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, env);
	if (r != 0)
		return err_set(e, -r, "%s: %s (package mtools)", argv[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : err_set(e, -EIO, "%s failed", argv[0]);
}

static int put(const struct img_staging *st, const char *volume, const char *name, char *text,
	       struct err *e)
{
	cleanup_free char *own = text;
	char path[PATH_MAX], to[32];
	const char *argv[] = {"mcopy", "-i", volume, path, to, NULL};
	int r;

	if (!own)
		return -ENOMEM;
	snprintf(to, sizeof(to), "::%s", name);
	if ((r = path_join(path, sizeof(path), st->work, name)) < 0 ||
	    (r = file_write(path, own, strlen(own), 0600, e)) < 0)
		return r;
	return run(argv, e);
}

static int fill(const struct img_seed *s, const struct img_staging *st, const char *volume,
		struct err *e)
{
	const char *argv[] = {"mformat", "-i", volume,	   "-C", "-v",
			      "CIDATA",	 "-f", VOLUME_KIB, "::", NULL};
	cleanup_close int fd = -1;
	int r;

	if ((r = run(argv, e)) < 0 ||
	    (r = put(st, volume, "meta-data", img_seed_meta_data(s), e)) < 0 ||
	    (r = put(st, volume, "user-data", img_seed_user_data(s), e)) < 0)
		return r;
	fd = open(volume, O_RDONLY | O_CLOEXEC);
	return fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int img_seed_write(const struct img_seed *s, const char *path, struct err *e)
{
	struct img_staging st;
	char volume[PATH_MAX], dir[PATH_MAX];
	int r = img_seed_check(s, e);

	if (r < 0)
		return r;
	if (snprintf(dir, sizeof(dir), "%s.dir", path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	r = img_staging_begin(&st, dir, e);
	if (r == 0)
		r = path_join(volume, sizeof(volume), st.image, "seed.img");
	if (r == 0)
		r = fill(s, &st, volume, e);
	if (r == 0 && rename(volume, path) < 0)
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	img_staging_end(&st);
	return r;
}
