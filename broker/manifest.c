/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See manifest.h. Data ranges come from SEEK_DATA; neighbours closer than a gap are joined, and the
 * gap grows until the list is short. A file system without holes gives one range, which is right.
 */
#include "broker/manifest.h"
#include "broker/valid.h"
#include "common/content.h"
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK	   (1 << 20)
#define RANGES_MAX 4096
#define FILES_MAX  16

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

int manifest_hash(int fd, char hex[65], manifest_fn fn, void *arg)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	cleanup_free uint8_t *buf = malloc(CHUNK);
	uint8_t sum[EVP_MAX_MD_SIZE];
	off_t off = 0;
	ssize_t n;

	if (!md || !buf || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return -ENOMEM;
	while ((n = pread(fd, buf, CHUNK, off)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!EVP_DigestUpdate(md, buf, (size_t)n))
			return -ENOMEM;
		off += n;
		if (fn && !fn(arg, n))
			return -ECANCELED;
	}
	if (!EVP_DigestFinal_ex(md, sum, NULL))
		return -ENOMEM;
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

/* [[offset,length],…] with gaps of at least gap bytes between; NULL when there are too many. */
static json_t *ranges(int fd, off_t size, off_t gap)
{
	json_t *list = json_array();
	off_t begin = 0, end = -1, at = 0;

	while (list && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno != ENXIO) { /* cannot tell: all of it */
			data = at;
			hole = size;
		} else if (data < 0) {
			break;
		} else {
			hole = lseek(fd, data, SEEK_HOLE);
			hole = hole < 0 || hole > size ? size : hole;
		}
		if (end >= 0 && data - end >= gap) {
			json_array_append_new(list, json_pack("[I,I]", (json_int_t)begin,
							      (json_int_t)(end - begin)));
			end = -1;
		}
		if (end < 0)
			begin = data;
		end = hole;
		at = hole;
		if (json_array_size(list) > RANGES_MAX) {
			json_decref(list);
			return NULL;
		}
	}
	if (list && end >= 0)
		json_array_append_new(
			list, json_pack("[I,I]", (json_int_t)begin, (json_int_t)(end - begin)));
	return list;
}

static int add_file(const char *dir, const char *name, json_t *files, int64_t *disk_mib,
		    manifest_fn fn, void *arg, struct err *e)
{
	char path[PATH_MAX], hex[65];
	cleanup_close int fd = -1;
	json_t *data = NULL;
	struct stat st;
	int r;

	if (valid_image_name(name, NULL) || path_join(path, sizeof(path), dir, name) < 0)
		return err_set(e, -EINVAL, "the converter made a file with a strange name");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "the converter made %s, which is not a file", name);
	r = content_sha256(fd, hex, fn, arg);
	if (r < 0)
		return r == -ECANCELED ? r : err_set(e, r, "%s: %s", name, strerror(-r));
	for (off_t gap = CHUNK; !data && gap <= st.st_size * 2 + CHUNK; gap *= 2)
		data = ranges(fd, st.st_size, gap);
	if (!data)
		return -ENOMEM;
	if (strcmp(name, "disk.raw") == 0)
		*disk_mib = (st.st_size + CHUNK - 1) / CHUNK;
	return json_array_append_new(files, json_pack("{s:s,s:I,s:s,s:o}", "name", name, "size",
						      (json_int_t)st.st_size, "content_sha256", hex,
						      "data", data))
		       ? -ENOMEM
		       : 0;
}

int manifest_make(const char *dir, json_t **out, int64_t *disk_mib, manifest_fn fn, void *arg,
		  struct err *e)
{
	json_t *files = json_array();
	struct dirent *de;
	DIR *d = opendir(dir);
	int r = d && files ? 0 : -ENOMEM, n = 0;

	*disk_mib = 0;
	while (r == 0 && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		r = ++n > FILES_MAX ? err_set(e, -EINVAL, "the converter made too many files")
				    : add_file(dir, de->d_name, files, disk_mib, fn, arg, e);
	}
	if (d)
		closedir(d);
	if (r == 0 && !*disk_mib)
		r = err_set(e, -EINVAL, "the converter made no disk");
	if (r < 0) {
		json_decref(files);
		return r;
	}
	*out = json_pack("{s:o}", "files", files);
	return *out ? 0 : -ENOMEM;
}
