/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small files; see file.h.
 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static ssize_t read_all(int fd, char *p, size_t n)
{
	size_t got = 0;
	ssize_t r;

	while (got < n) {
		r = read(fd, p + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int file_read(const char *path, size_t max, char **out, size_t *len, struct err *e)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *p = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return err_set(e, -errno, "cannot read %s: %s", path, strerror(errno));
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return err_set(e, -EFBIG, "%s is larger than %zu bytes", path, max);
	/* Sizes of /proc files and pipes read as zero: read up to the cap then. */
	p = malloc((st.st_size ? (size_t)st.st_size : max) + 1);
	if (!p)
		return err_set(e, -ENOMEM, "no memory to read %s", path);
	n = read_all(fd, p, st.st_size ? (size_t)st.st_size : max);
	if (n < 0)
		return err_set(e, (int)n, "cannot read %s: %s", path, strerror((int)-n));
	p[n] = '\0';
	if (len)
		*len = (size_t)n;
	*out = steal_ptr(&p);
	return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return fsync(fd) ? -errno : 0;
}

int file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	cleanup_close int fd = -1;
	char tmp[4096];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.new.%d", path, (int)getpid()) >= (int)sizeof(tmp))
		return err_set(e, -ENAMETOOLONG, "%s: the path is too long", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return err_set(e, -errno, "cannot write %s: %s", tmp, strerror(errno));
	r = write_all(fd, p, n);
	if (!r && rename(tmp, path))
		r = -errno;
	if (r) {
		unlink(tmp);
		return err_set(e, r, "cannot write %s: %s", path, strerror(-r));
	}
	return 0;
}

int dir_make(const char *path, mode_t mode, struct err *e)
{
	char p[4096];

	if (snprintf(p, sizeof(p), "%s", path) >= (int)sizeof(p))
		return err_set(e, -ENAMETOOLONG, "%s: the path is too long", path);
	for (char *s = p + 1;; s++) {
		char c = *s;

		if (c != '/' && c)
			continue;
		*s = '\0';
		if (mkdir(p, mode) && errno != EEXIST)
			return err_set(e, -errno, "cannot make directory %s: %s", p,
				       strerror(errno));
		*s = c;
		if (!c)
			return 0;
	}
}

int path_join(char *out, size_t n, const char *dir, const char *name)
{
	return snprintf(out, n, "%s/%s", dir, name) < (int)n ? 0 : -ENAMETOOLONG;
}

/* The one that fills tmp has it open and locked; what it had been before is gone. */
static int claim(const char *tmp, struct err *e)
{
	int fd = open(tmp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), r = 0;
	struct stat mine, named;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", tmp, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK
			    ? err_set(e, -EBUSY, "%s: another one makes it just now", tmp)
			    : err_set(e, -errno, "%s: cannot be locked: %s", tmp, strerror(errno));
	else if (fstat(fd, &mine) < 0 || lstat(tmp, &named) < 0 || mine.st_ino != named.st_ino ||
		 mine.st_dev != named.st_dev) /* renamed since it was opened */
		r = err_set(e, -EBUSY, "%s: another one has just made it", tmp);
	else if (ftruncate(fd, 0) < 0)
		r = err_set(e, -errno, "%s: %s", tmp, strerror(errno));
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int file_make_once(const char *path, int (*fill)(int fd, const char *tmp, void *arg, struct err *e),
		   void *arg, struct err *e)
{
	char tmp[PATH_MAX];
	cleanup_close int fd = -1;
	int r = 0;

	if (access(path, F_OK) == 0)
		return 0;
	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", path);
	fd = claim(tmp, e);
	if (fd < 0)
		return fd;
	if (access(path, F_OK) == 0) { /* made while the lock was not ours yet */
		unlink(tmp);
		return 0;
	}
	r = fill(fd, tmp, arg, e);
	if (r == 0 && (fsync(fd) < 0 || rename(tmp, path) < 0))
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (r < 0)
		unlink(tmp);
	return r;
}
