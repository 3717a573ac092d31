/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See staging.h.
 */
#include "vmm/image/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "common/file.h"

#define PREFIX ".pane-image."

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The locked directory, or -EWOULDBLOCK while its maker lives. */
static int lock_dir(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat a, b;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &a) < 0)
		return -errno;
	if (lstat(path, &b) < 0 || a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		return -EAGAIN; /* removed between open and lock */
	return steal_fd(&fd);
}

static void sweep(const char *parent)
{
	DIR *d = opendir(parent);
	char path[PATH_MAX];
	struct dirent *de;
	int fd;

	if (!d)
		return;
	while ((de = readdir(d))) {
		if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    path_join(path, sizeof(path), parent, de->d_name) < 0)
			continue;
		fd = lock_dir(path);
		if (fd < 0)
			continue;
		remove_tree(path);
		close(fd);
	}
	closedir(d);
}

static int split(const char *target, char parent[PATH_MAX], char base[NAME_MAX + 1])
{
	size_t n = strlen(target);
	const char *slash;

	while (n > 1 && target[n - 1] == '/')
		n--;
	slash = memrchr(target, '/', n);
	if (n == 0 || n >= PATH_MAX)
		return -EINVAL;
	snprintf(parent, PATH_MAX, "%.*s", slash ? (int)(slash - target) : 1, slash ? target : ".");
	if (slash == target)
		snprintf(parent, PATH_MAX, "/");
	if (slash)
		n -= (size_t)(slash + 1 - target);
	if (n == 0 || n > NAME_MAX - sizeof(PREFIX))
		return -EINVAL;
	memcpy(base, slash ? slash + 1 : target, n);
	base[n] = 0;
	return strcmp(base, ".") && strcmp(base, "..") ? 0 : -EINVAL;
}

static int make_dirs(struct img_staging *s, const char *parent, const char *base, struct err *e)
{
	char name[NAME_MAX + 1];
	int r;

	if (snprintf(name, sizeof(name), "%s%s", PREFIX, base) >= (int)sizeof(name) ||
	    path_join(s->dir, sizeof(s->dir), parent, name) < 0)
		return -ENAMETOOLONG;
	for (int tries = 0; tries < 10; tries++) {
		if (mkdir(s->dir, 0700) < 0 && errno != EEXIST) {
			r = -errno;
			err_set(e, r, "%s: %s", s->dir, strerror(errno));
			s->dir[0] = 0;
			return r;
		}
		s->lock = lock_dir(s->dir);
		if (s->lock >= 0 || s->lock == -EWOULDBLOCK)
			break;
	}
	if (s->lock < 0) {
		s->dir[0] = 0; /* not ours to remove */
		return err_setw(e, -EBUSY, "image.busy",
				"another pane-image is at work on %s: wait for it", s->target);
	}
	if (path_join(s->work, sizeof(s->work), s->dir, "work") < 0 ||
	    path_join(s->image, sizeof(s->image), s->dir, "image") < 0)
		return -ENAMETOOLONG;
	if (mkdir(s->work, 0700) < 0 || mkdir(s->image, 0755) < 0)
		return err_set(e, -errno, "%s: %s", s->dir, strerror(errno));
	return 0;
}

int img_staging_begin(struct img_staging *s, const char *target, struct err *e)
{
	char parent[PATH_MAX], base[NAME_MAX + 1];
	struct stat st;

	*s = (struct img_staging){.lock = -1};
	if (split(target, parent, base) < 0 ||
	    path_join(s->target, sizeof(s->target), parent, base) < 0)
		return err_set(e, -EINVAL, "%s is no name for a directory", target);
	sweep(parent);
	if (lstat(s->target, &st) == 0 && (!S_ISDIR(st.st_mode) || rmdir(s->target) < 0))
		return err_setw(e, -EEXIST, "image.exists",
				"%s exists already: name another place, or remove it first",
				target);
	return make_dirs(s, parent, base, e);
}

static int sync_path(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int img_staging_commit(struct img_staging *s, struct err *e)
{
	static const char *const files[] = {"disk.raw", "vmlinuz", "initrd.img", "image.json", ""};
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if ((r = path_join(path, sizeof(path), s->image, files[i])) < 0)
			return r;
		r = sync_path(path);
		if (r < 0 && r != -ENOENT)
			return err_set(e, r, "%s: %s", path, strerror(-r));
	}
	if (renameat2(AT_FDCWD, s->image, AT_FDCWD, s->target, RENAME_NOREPLACE) < 0)
		return err_set(e, -errno, "%s: %s", s->target, strerror(errno));
	return 0;
}

void img_staging_end(struct img_staging *s)
{
	if (s->dir[0])
		remove_tree(s->dir);
	s->dir[0] = 0;
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}
