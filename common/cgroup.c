/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See cgroup.h. Version 2 shares out from the top when that is the caller's, else (an ordinary
 * user) from the nearest group above that was delegated to them: a group with processes of its own
 * cannot share out ("no internal processes"), so it is one that does so already.
 */
#include "common/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"

bool cgroup_has(const char *dir, const char *file, const char *word)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	char *rest = NULL;
	size_t n;

	if (path_join(path, sizeof(path), dir, file) < 0 ||
	    file_read(path, 4096, &text, &n, NULL) < 0)
		return false;
	for (char *w = strtok_r(text, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest))
		if (!strcmp(w, word))
			return true;
	return false;
}

bool cgroup_may_write(const char *dir, const char *file)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, file) == 0 && access(path, W_OK) == 0;
}

int cgroup_put(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 64];
	cleanup_close int fd = -1;
	size_t n = strlen(text);

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, n) == (ssize_t)n ? 0 : -errno;
}

static bool has_all(const char *dir, const char *file, const char *const need[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!cgroup_has(dir, file, need[i]))
			return false;
	return true;
}

int cgroup_delegated(const char *mnt, const char *own, const char *const need[], size_t n,
		     char *out, size_t size)
{
	size_t top = strlen(mnt);
	char *slash;

	if (snprintf(out, size, "%s%s", mnt, own) >= (int)size)
		return -ENAMETOOLONG;
	for (;;) {
		if (access(out, W_OK) == 0 && cgroup_may_write(out, "cgroup.procs") &&
		    has_all(out, "cgroup.subtree_control", need, n))
			return 0;
		slash = strrchr(out, '/');
		if (!slash || (size_t)(slash - out) < top || out[top] == 0)
			return -ENOENT;
		*slash = 0;
	}
}

int cgroup_base(const char *mnt, const char *const need[], size_t n, char *out, size_t size)
{
	cleanup_free char *text = NULL;
	char *own, *end;
	size_t len;

	if (!has_all(mnt, "cgroup.controllers", need, n))
		return -ENOENT; /* not mounted there, or its controllers are version 1's */
	if (cgroup_may_write(mnt, "cgroup.subtree_control"))
		return snprintf(out, size, "%s", mnt) < (int)size ? 0 : -ENAMETOOLONG;
	if (file_read("/proc/self/cgroup", 65536, &text, &len, NULL) < 0)
		return -ENOENT;
	own = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (!own)
		return -ENOENT;
	own = strstr(own, "0::") + 3;
	end = strchr(own, '\n');
	if (end)
		*end = 0;
	return cgroup_delegated(mnt, strcmp(own, "/") ? own : "", need, n, out, size);
}
