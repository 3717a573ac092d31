/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trees go from the leaves up, one open directory a level. Loop's thread.
 */
#include "vmm/host/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TREE_DEPTH_MAX 200 /* one open directory a level */

/* What a cell leaves may be a tree. Nothing outside it is touched: links are not followed. */
static int delete_tree(int at, const char *name, dev_t dev, unsigned depth, struct err *e)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	struct stat st;

	if (!dir) {
		r = errno;
		if (fd >= 0)
			close(fd);
		return r == ENOENT ? 0 : err_set(e, -r, "%s: %s", name, strerror(r));
	}
	if (fstat(fd, &st) == 0 && dev && st.st_dev != dev)
		r = err_set(e, -EBUSY, "%s: something is still mounted there", name);
	while (r == 0 && (de = readdir(dir))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, de->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR || depth >= TREE_DEPTH_MAX)
			r = err_set(e, -errno, "%s/%s: %s", name, de->d_name, strerror(errno));
		else
			r = delete_tree(fd, de->d_name, st.st_dev, depth + 1, e);
	}
	closedir(dir);
	if (r == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0)
		r = err_set(e, -errno, "%s: %s", name, strerror(errno));
	return r;
}

int host_tree_delete(const char *path, struct err *e)
{
	return delete_tree(AT_FDCWD, path, 0, 0, e);
}
