/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pull.h. NAME.part holds what has arrived, NAME.part.at how many bytes of the ranges that are;
 * it is written after the bytes and believed only up to what they say together. The manifest comes
 * from the site's broker, but names and sizes in it are checked all the same: they become paths and
 * disk space.
 */
#include "common/pull.h"
#include "common/content.h"
#include "common/file.h"
#include "common/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX  16
#define CHUNK	   (1 << 20)
#define PIECE	   (INT64_C(64) << 20) /* one request */
#define TRIES	   5		       /* without a byte of progress */
#define SIZE_MOST  (INT64_C(1) << 43)
#define SAVE_BYTES (INT64_C(4) << 20)

struct pull {
	const struct pull_params *p; /* borrowed */
	int64_t done, total;
};

/* One file on its way. */
struct part {
	struct pull *pull;
	const char *name; /* borrowed from the manifest */
	int64_t size;
	json_t *data;
	int fd;
	int64_t at;    /* where the next byte goes */
	int64_t got;   /* bytes of ranges on disk */
	int64_t saved; /* got when .at was written */
	char mark[PATH_MAX];
};

static bool plain_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 64 && s[0] != '.' && s[0] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

/* What a file's content is checked by: a digest that skips holes, or in manifests of versions made
 * before there was one, plain SHA-256. */
static int check_digest(json_t *f, const char **hex, bool *plain, struct err *e)
{
	*plain = !json_object_get(f, "content_sha256");
	return json_need_str(f, *plain ? "sha256" : "content_sha256", 64, 64, hex, e);
}

static int check_file(json_t *f, int64_t *bytes, struct err *e)
{
	const char *name, *hex;
	int64_t size, end = 0;
	json_t *data, *range;
	size_t i;
	bool plain;
	int r;

	if ((r = json_need_str(f, "name", 1, 63, &name, e)) < 0 ||
	    (r = check_digest(f, &hex, &plain, e)) < 0 ||
	    (r = json_need_int(f, "size", 0, SIZE_MOST, &size, e)) < 0 ||
	    (r = json_need_array(f, "data", &data, e)) < 0)
		return r;
	if (!plain_name(name))
		return err_set(e, -EPROTO, "the manifest names a file that is no plain name");
	json_array_foreach(data, i, range)
	{
		int64_t off = json_integer_value(json_array_get(range, 0));
		int64_t n = json_integer_value(json_array_get(range, 1));

		if (off < end || n < 1 || off > size || n > size - off)
			return err_set(e, -EPROTO, "the manifest's ranges of %s are wrong", name);
		end = off + n;
		*bytes += n;
	}
	return 0;
}

static void save_mark(struct part *f)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)f->got);

	if (fdatasync(f->fd) == 0 && file_write(f->mark, text, (size_t)n, 0600, NULL) == 0)
		f->saved = f->got;
}

static int64_t load_mark(const struct part *f, int64_t most)
{
	cleanup_free char *text = NULL;
	size_t n;
	long long v;

	if (file_read(f->mark, 64, &text, &n, NULL) < 0)
		return 0;
	v = atoll(text);
	return v > 0 && v <= most ? v : 0;
}

static int on_bytes(void *arg, const void *p, size_t n)
{
	struct part *f = arg;
	struct pull *u = f->pull;
	ssize_t w = pwrite(f->fd, p, n, f->at);

	if (w != (ssize_t)n)
		return w < 0 ? -errno : -ENOSPC;
	f->at += w;
	f->got += w;
	u->done += w;
	if (f->got - f->saved >= SAVE_BYTES)
		save_mark(f);
	return u->p->progress && !u->p->progress(u->p->arg, u->done, u->total) ? -ECANCELED : 0;
}

static bool worth_a_retry(int r)
{
	return r == -EPIPE || r == -EIO || r == -ETIMEDOUT || r == -ECONNREFUSED;
}

/* One range from f->at to its end, in pieces, again after what broke. */
static int fetch_range(struct part *f, int64_t end, struct err *e)
{
	char path[700];
	int tries = 0;

	snprintf(path, sizeof(path), "%s%s", f->pull->p->files, f->name);
	while (f->at < end) {
		int64_t before = f->at, last = end - f->at > PIECE ? f->at + PIECE : end;
		int r = http_fetch(f->pull->p->http, path, f->at, last - 1, on_bytes, f, e);

		if (r >= 0)
			continue;
		tries = f->at > before ? 0 : tries + 1;
		if (!worth_a_retry(r) || tries >= TRIES)
			return r;
	}
	return 0;
}

static int fetch_ranges(struct part *f, int64_t have, struct err *e)
{
	json_t *range;
	size_t i;

	json_array_foreach(f->data, i, range)
	{
		int64_t off = json_integer_value(json_array_get(range, 0));
		int64_t n = json_integer_value(json_array_get(range, 1));
		int r;

		if (have >= n) { /* from an earlier attempt */
			have -= n;
			continue;
		}
		f->at = off + have;
		have = 0;
		r = fetch_range(f, off + n, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

static int check_plain(int fd, int64_t size, const char *want)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	cleanup_free uint8_t *buf = malloc(CHUNK);
	uint8_t sum[EVP_MAX_MD_SIZE];
	char hex[65];
	int64_t at = 0;

	if (!md || !buf || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return -ENOMEM;
	while (at < size) {
		ssize_t n = pread(fd, buf, CHUNK, at);

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		if (!EVP_DigestUpdate(md, buf, (size_t)n))
			return -ENOMEM;
		at += n;
	}
	if (!EVP_DigestFinal_ex(md, sum, NULL))
		return -ENOMEM;
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return strcmp(hex, want) == 0 ? 0 : -EBADMSG;
}

static int check_content(int fd, int64_t size, json_t *o, struct err *e)
{
	const char *want = "";
	char hex[65];
	bool plain;
	int r = check_digest(o, &want, &plain, e);

	if (r < 0 || plain)
		return r < 0 ? r : check_plain(fd, size, want);
	r = content_sha256(fd, hex, NULL, NULL);
	return r < 0 ? r : strcmp(hex, want) == 0 ? 0 : -EBADMSG;
}

static int fetch_part(struct part *f, json_t *o, const char *path, const char *part, struct err *e)
{
	int64_t most = 0, have;
	struct stat st;
	int r = check_file(o, &most, e);

	if (r < 0)
		return r;
	f->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", part, strerror(errno));
	have = st.st_size == f->size ? load_mark(f, most) : 0;
	if (ftruncate(f->fd, have ? f->size : 0) < 0 || ftruncate(f->fd, f->size) < 0)
		return err_set(e, -errno, "%s: %s", part, strerror(errno));
	f->got = f->saved = have;
	f->pull->done += have;
	r = fetch_ranges(f, have, e);
	save_mark(f);
	if (r < 0)
		return r;
	r = check_content(f->fd, f->size, o, e);
	unlink(f->mark);
	if (r < 0) {
		unlink(part);
		return err_set(e, r, "%s arrived with another content than announced", f->name);
	}
	if (fchmod(f->fd, 0444) < 0 || rename(part, path) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int fetch_file(struct pull *u, json_t *o, struct err *e)
{
	struct part f = {.pull = u, .fd = -1};
	char path[PATH_MAX], part[PATH_MAX];
	struct stat st;
	int64_t bytes = 0;
	int r;

	f.name = json_string_value(json_object_get(o, "name"));
	f.size = json_integer_value(json_object_get(o, "size"));
	f.data = json_object_get(o, "data");
	if (snprintf(path, sizeof(path), "%s/%s", u->p->dir, f.name) >= (int)sizeof(path) ||
	    snprintf(part, sizeof(part), "%s/%s.part", u->p->dir, f.name) >= (int)sizeof(part) ||
	    snprintf(f.mark, sizeof(f.mark), "%s/%s.part.at", u->p->dir, f.name) >=
		    (int)sizeof(f.mark))
		return -ENAMETOOLONG;
	if (lstat(path, &st) == 0) { /* checked and renamed by an earlier attempt */
		(void)check_file(o, &bytes, NULL);
		u->done += bytes;
		return 0;
	}
	r = fetch_part(&f, o, path, part, e);
	if (f.fd >= 0)
		close(f.fd);
	return r;
}

int pull_image(const struct pull_params *p, struct err *e)
{
	cleanup_json json_t *manifest = NULL;
	struct pull u = {.p = p};
	json_t *files, *o;
	size_t i;
	int r;

	r = http_call(p->http, "GET", p->manifest, NULL, &manifest, e);
	if (r < 0 || (r = json_need_array(manifest, "files", &files, e)) < 0)
		return r;
	if (json_array_size(files) < 1 || json_array_size(files) > FILES_MAX)
		return err_set(e, -EPROTO, "the manifest lists no files, or too many");
	json_array_foreach(files, i, o) if ((r = check_file(o, &u.total, e)) < 0) return r;
	if ((r = dir_make(p->dir, 0755, e)) < 0)
		return r;
	json_array_foreach(files, i, o) if ((r = fetch_file(&u, o, e)) < 0) return r;
	return 0;
}
