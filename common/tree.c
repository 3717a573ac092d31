/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trees go from the leaves up, one open directory a level. What lies deeper than DEPTH_MAX levels
 * is moved to the top first and goes in a later round, so that neither the descriptors of this
 * process nor PATH_MAX bounds what can be removed. No path of several names is ever used: nothing
 * that is replaced meanwhile leads out of the tree.
 */
#include "common/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64

struct walk {
	int top;	/* borrowed: the tree's root */
	dev_t dev;	/* the file system it lies on */
	unsigned moved; /* names given to what was moved to the top */
	bool again;	/* something was */
};

static int move_up(struct walk *w, int at, const char *name, struct err *e)
{
	char to[32];

	do {
		snprintf(to, sizeof(to), ".deep-%u", w->moved++);
		if (renameat2(at, name, w->top, to, RENAME_NOREPLACE) == 0) {
			w->again = true;
			return 0;
		}
	} while (errno == EEXIST);
	return err_set(e, -errno, "%s: %m", name);
}

static int empty(struct walk *w, int fd, unsigned depth, struct err *e);

static int remove_dir(struct walk *w, int at, const char *name, unsigned depth, struct err *e)
{
	int fd, r;

	if (unlinkat(at, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_set(e, -errno, "%s: %m", name);
	if (depth == DEPTH_MAX)
		return move_up(w, at, name, e);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "%s: %m", name);
	r = empty(w, fd, depth, e);
	if (r < 0)
		return r;
	return unlinkat(at, name, AT_REMOVEDIR) < 0 ? err_set(e, -errno, "%s: %m", name) : 0;
}

/* Takes fd over. */
static int empty(struct walk *w, int fd, unsigned depth, struct err *e)
{
	DIR *dir = fdopendir(fd);
	struct dirent *de;
	struct stat st;
	int r = 0;

	if (!dir) {
		close(fd);
		return err_set(e, -ENOMEM, "no memory");
	}
	if (fstat(fd, &st) < 0 || st.st_dev != w->dev)
		r = err_set(e, -EBUSY, "something is still mounted there");
	while (r == 0 && (de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (unlinkat(fd, de->d_name, 0) == 0 || errno == ENOENT)
			continue;
		r = errno == EISDIR ? remove_dir(w, fd, de->d_name, depth + 1, e)
				    : err_set(e, -errno, "%s: %m", de->d_name);
	}
	closedir(dir);
	return r;
}

int tree_delete(const char *path, struct err *e)
{
	struct walk w = {.again = true};
	cleanup_close int top = -1;
	struct stat st;
	int r = 0;

	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return err_set(e, -errno, "%s: %m", path);
	top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || fstat(top, &st) < 0)
		return err_set(e, -errno, "%s: %m", path);
	w.top = top;
	w.dev = st.st_dev;
	while (r == 0 && w.again) {
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		w.again = false;
		r = fd < 0 ? err_set(e, -errno, "%s: %m", path) : empty(&w, fd, 0, e);
	}
	if (r == 0 && rmdir(path) < 0)
		r = err_set(e, -errno, "%s: %m", path);
	return r;
}
