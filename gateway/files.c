/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The console's files; see files.h. The build writes X.gz beside each X worth compressing; it is
 * served in X's place to browsers that take gzip. The policy sent with every page allows scripts
 * and styles from this server's files only, nothing inline and no other site as parent or target.
 */
#include "gateway/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* img-src data: the pictures inside PatternFly's style sheets, and a desktop's own cursor. */
#define PAGE_POLICY                                                                                \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "          \
	"base-uri 'none'; frame-ancestors 'none'\r\n"                                              \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"Cross-Origin-Opener-Policy: same-origin\r\n"

struct gw_files {
	struct gw_file *file; /* owned */
	size_t n, bytes;
};

static const char *type_of(const char *name)
{
	static const struct {
		const char *end, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/x-icon"},
		{".woff2", "font/woff2"},
		{".txt", "text/plain; charset=utf-8"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(types); i++)
		if (!strcmp(dot, types[i].end))
			return types[i].type;
	return NULL;
}

static bool plain_name(const char *s)
{
	return *s && *s != '.' && strlen(s) < 100 &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

/* The whole of a regular file; NULL with e filled. */
static uint8_t *read_whole(int dir, const char *name, size_t max, size_t *n, struct err *e)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup_free uint8_t *data = NULL;
	struct stat st;
	size_t at = 0;

	if (fd < 0 || fstat(fd, &st)) {
		err_set(e, -errno, "%s: %s", name, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max) {
		err_set(e, -EINVAL, "%s: not a file, or the files are more than %u MiB", name,
			GW_FILES_BYTES_MAX >> 20);
		return NULL;
	}
	*n = (size_t)st.st_size;
	data = malloc(*n + 1);
	while (data && at < *n) {
		ssize_t r = read(fd, data + at, *n - at);

		if (r <= 0) {
			err_set(e, -EIO, "%s: cannot be read to its end", name);
			return NULL;
		}
		at += (size_t)r;
	}
	if (!data)
		err_set(e, -ENOMEM, "out of memory");
	return steal_ptr(&data);
}

static int make_etag(struct gw_file *f)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(f->data, f->n_bytes, md, &n, EVP_sha256(), NULL))
		return -ENOMEM;
	for (unsigned i = 0; i < 16; i++)
		snprintf(f->etag + 1 + 2 * (size_t)i, 3, "%02x", md[i]);
	f->etag[0] = f->etag[33] = '"';
	return 0;
}

/* sub: "" or "assets/". */
static int add_file(struct gw_files *fs, int dir, const char *sub, const char *name, struct err *e)
{
	struct gw_file *more, *f;
	char zname[128];
	struct err none = {0};

	if (fs->n >= GW_FILES_MAX)
		return err_set(e, -E2BIG, "more than %d files", GW_FILES_MAX);
	more = realloc(fs->file, (fs->n + 1) * sizeof(*more));
	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	fs->file = more;
	f = &more[fs->n];
	*f = (struct gw_file){.type = type_of(name), .frozen = *sub != 0};
	if (!f->type)
		return err_set(e, -EINVAL, "%s%s: not a kind of file a page needs", sub, name);
	f->data = read_whole(dir, name, GW_FILES_BYTES_MAX - fs->bytes, &f->n_bytes, e);
	if (!f->data)
		return e->code;
	fs->n++; /* from here on gw_files_free() sees it */
	fs->bytes += f->n_bytes;
	if (!strcmp(name, "index.html") && !*sub)
		snprintf(f->path, sizeof(f->path), "/");
	else
		snprintf(f->path, sizeof(f->path), "/%s%s", sub, name);
	snprintf(zname, sizeof(zname), "%s.gz", name);
	f->zdata = read_whole(dir, zname, GW_FILES_BYTES_MAX - fs->bytes, &f->z_bytes, &none);
	if (!f->zdata && none.code != -ENOENT)
		return err_set(e, none.code, "%s", none.msg);
	fs->bytes += f->z_bytes;
	return make_etag(f) ? err_set(e, -ENOMEM, "out of memory") : 0;
}

static int add_dir(struct gw_files *fs, int at, const char *name, const char *sub, struct err *e)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!d) {
		r = err_set(e, -errno, "%s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (!r && (entry = readdir(d))) {
		size_t n = strlen(entry->d_name);

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!plain_name(entry->d_name))
			r = err_set(e, -EINVAL, "%s: not a name a page needs", entry->d_name);
		else if (!*sub && !strcmp(entry->d_name, "assets"))
			r = add_dir(fs, dirfd(d), "assets", "assets/", e);
		else if (n < 4 || strcmp(entry->d_name + n - 3, ".gz") != 0)
			r = add_file(fs, dirfd(d), sub, entry->d_name, e);
	}
	closedir(d);
	return r;
}

struct gw_files *gw_files_load(const char *dir, struct err *e)
{
	struct gw_files *fs = calloc(1, sizeof(*fs));
	int r = fs ? add_dir(fs, AT_FDCWD, dir, "", e) : err_set(e, -ENOMEM, "out of memory");

	if (!r && !gw_files_find(fs, "/", 1))
		r = err_set(e, -ENOENT, "no index.html");
	if (r) {
		struct err why = *e;

		err_set(e, r, "console %s: %s", dir, why.msg);
		gw_files_free(fs);
		return NULL;
	}
	return fs;
}

void gw_files_free(struct gw_files *fs)
{
	for (size_t i = 0; fs && i < fs->n; i++) {
		free(fs->file[i].data);
		free(fs->file[i].zdata);
	}
	if (fs)
		free(fs->file);
	free(fs);
}

const struct gw_file *gw_files_find(const struct gw_files *fs, const char *target, size_t n)
{
	const char *query = memchr(target, '?', n);
	size_t path = query ? (size_t)(query - target) : n;

	for (size_t i = 0; fs && i < fs->n; i++)
		if (strlen(fs->file[i].path) == path && !memcmp(fs->file[i].path, target, path))
			return &fs->file[i];
	return NULL;
}

int gw_file_head(struct buf *b, const struct gw_file *f, const struct gw_file_request *q,
		 const uint8_t **body, size_t *n_body)
{
	bool same = q->etags && memmem(q->etags, q->n_etags, f->etag, strlen(f->etag));
	bool zip = q->gzip && f->zdata;
	size_t n = zip ? f->z_bytes : f->n_bytes;
	int r = buf_printf(b, "HTTP/1.1 %s\r\n", same ? "304 Not Modified" : "200 OK");

	if (!r && !same)
		r = buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n%s", f->type, n,
			       zip ? "Content-Encoding: gzip\r\n" : "");
	if (!r)
		r = buf_printf(b, "ETag: %s\r\nCache-Control: %s\r\nVary: Accept-Encoding\r\n",
			       f->etag,
			       f->frozen ? "public, max-age=31536000, immutable" : "no-cache");
	if (!r)
		r = buf_printf(b, PAGE_POLICY "Connection: close\r\n\r\n");
	*body = zip ? f->zdata : f->data;
	*n_body = same || q->head ? 0 : n;
	return r;
}
