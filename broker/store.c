/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See store.h. Removal looks at nothing but names below directories it opened itself and never
 * follows a link: a converter is fed files from strangers.
 */
#include "broker/store.h"
#include "broker/valid.h"
#include "common/file.h"
#include "common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEPTH_MAX 16

static const char *const parts[] = {
	[STORE_UPLOAD] = "upload", [STORE_TMP] = "tmp", [STORE_IMAGES] = "images"};

int store_path(const char *dir, enum store_part part, const char *id, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s%s", dir, parts[part], id[0] ? "/" : "", id);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int store_open(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if ((r = store_path(dir, (enum store_part)i, "", path)) < 0 ||
		    (r = dir_make(path, 0700, e)) < 0)
			return r;
	}
	return 0;
}

int64_t store_free_bytes(const char *dir)
{
	struct statvfs s;

	return statvfs(dir, &s) < 0 ? 0 : (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

int store_write(const char *dir, const char *id, int64_t offset, const void *p, size_t n)
{
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	size_t done = 0;

	if (store_path(dir, STORE_UPLOAD, id, path) < 0)
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (done < n) {
		ssize_t w = pwrite(fd, (const char *)p + done, n - done, offset + (off_t)done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -ENOSPC;
		done += (size_t)w;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

int store_file(const char *dir, const char *id, const char *name)
{
	char base[PATH_MAX], path[PATH_MAX];
	struct stat st;
	int fd;

	if (valid_image_name(name, NULL) || store_path(dir, STORE_IMAGES, id, base) < 0 ||
	    path_join(path, sizeof(path), base, name) < 0)
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Deletes name below at, whatever it is. */
static int remove_at(int at, const char *name, int depth)
{
	struct dirent *de;
	DIR *d;
	int fd, r = 0;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = r ? r : remove_at(dirfd(d), de->d_name, depth + 1);
	closedir(d);
	return unlinkat(at, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

void store_drop(const char *dir, enum store_part part, const char *id)
{
	char path[PATH_MAX];
	cleanup_close int at = -1;
	int r;

	if (!id[0] || strchr(id, '/') || store_path(dir, part, "", path) < 0)
		return;
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = at < 0 ? -errno : remove_at(at, id, 0);
	if (r < 0)
		log_err("store.remove", "part=%s id=%s error=%s", parts[part], id, strerror(-r));
}

void store_drop_all(const char *dir, const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		store_drop(dir, (enum store_part)i, id);
}

/* Whether a part of a version in that state has a reason to be there when nothing works on it. */
static bool wanted(json_t *versions, enum store_part part, const char *id)
{
	size_t i;
	json_t *v;

	json_array_foreach(versions, i, v)
	{
		const char *state = json_string_value(json_object_get(v, "state"));
		const char *have = json_string_value(json_object_get(v, "id"));

		if (!have || !state || strcmp(have, id) != 0)
			continue;
		if (part == STORE_IMAGES)
			return strcmp(state, "failed") != 0;
		return strcmp(state, "uploading") == 0 || strcmp(state, "verifying") == 0 ||
		       strcmp(state, "converting") == 0;
	}
	return false;
}

void store_sweep(const char *dir, json_t *versions)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char path[PATH_MAX];
		struct dirent *de;
		DIR *d;

		if (store_path(dir, (enum store_part)i, "", path) < 0 || !(d = opendir(path)))
			continue;
		while ((de = readdir(d))) {
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
			    wanted(versions, (enum store_part)i, de->d_name))
				continue;
			log_info("store.orphan", "part=%s name=%s", parts[i], LOG_Q(de->d_name));
			store_drop(dir, (enum store_part)i, de->d_name);
		}
		closedir(d);
	}
}
