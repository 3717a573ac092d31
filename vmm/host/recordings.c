/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See recordings.h. What a file's name or its JSON does not make sense of is left where it is; JSON
 * without its film is removed. The list is in the order of beginning.
 */
#include "vmm/host/recordings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/utf8.h"

#define PART_BYTES (512ll << 20)
#define DAY_S	   86400
#define DAYS_MAX   3650 /* as orders have it: the broker refuses a report of more */

struct recording {
	char id[HOST_UUID], desktop[HOST_UUID];
	char name[HOST_NAME_MAX], user[128], why[160];
	int64_t began_s, ended_s, bytes; /* ended_s 0: not yet */
	int days;
};

struct host_recordings {
	const struct host_config *config; /* borrowed */
	char dir[PATH_MAX];
	struct recording *v; /* owned */
	size_t n;
};

static int path_of(const struct host_recordings *r, const char *id, const char *ext,
		   char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s.%s", r->dir, id, ext) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int64_t size_of(const struct host_recordings *r, const char *id)
{
	char path[PATH_MAX];
	struct stat st;

	return path_of(r, id, "mkv", path) == 0 && stat(path, &st) == 0 ? st.st_size : 0;
}

static json_t *to_json(const struct recording *x)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:i,s:s}", "id", x->id, "desktop",
			 x->desktop, "name", x->name, "user", x->user, "began",
			 (json_int_t)x->began_s, "ended", (json_int_t)x->ended_s, "bytes",
			 (json_int_t)x->bytes, "days", x->days, "why", x->why);
}

static int save(const struct host_recordings *r, const struct recording *x, struct err *e)
{
	cleanup_json json_t *o = to_json(x);
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char path[PATH_MAX];
	int k = path_of(r, x->id, "json", path);

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	return k < 0 ? k : file_write(path, text, strlen(text), 0600, e);
}

/* x->id is what it should be of. */
static int from_json(json_t *o, struct recording *x, struct err *e)
{
	const char *id, *desktop, *name, *user, *why = "";
	int64_t days;
	int r;

	if ((r = json_need_str(o, "id", 36, 36, &id, e)) < 0 ||
	    (r = json_need_str(o, "desktop", 36, 36, &desktop, e)) < 0 ||
	    (r = json_need_str(o, "name", 1, sizeof(x->name) - 1, &name, e)) < 0 ||
	    (r = json_need_str(o, "user", 0, sizeof(x->user) - 1, &user, e)) < 0 ||
	    (r = json_opt_str(o, "why", sizeof(x->why) - 1, &why, e)) < 0 ||
	    (r = json_need_int(o, "began", 0, INT64_MAX / 2, &x->began_s, e)) < 0 ||
	    (r = json_need_int(o, "ended", 0, INT64_MAX / 2, &x->ended_s, e)) < 0 ||
	    (r = json_need_int(o, "days", 1, DAYS_MAX, &days, e)) < 0)
		return r;
	if (!host_uuid_ok(id) || !host_uuid_ok(desktop))
		return err_set(e, -EPROTO, "id or desktop is no UUID");
	if (strcmp(id, x->id) != 0)
		return err_set(e, -EPROTO, "it is of recording %s", id);
	x->days = (int)days;
	memcpy(x->desktop, desktop, HOST_UUID);
	memcpy(x->name, name, strlen(name) + 1);
	memcpy(x->user, user, strlen(user) + 1);
	memcpy(x->why, why, strlen(why) + 1);
	return 0;
}

/* ---- the list ------------------------------------------------------------------------------ */

static struct recording *find(struct host_recordings *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].id, id) == 0)
			return &r->v[i];
	return NULL;
}

static int add(struct host_recordings *r, const struct recording *x)
{
	struct recording *v = reallocarray(r->v, r->n + 1, sizeof(*v));
	size_t i = r->n;

	if (!v)
		return -ENOMEM;
	for (r->v = v; i && v[i - 1].began_s > x->began_s; i--)
		v[i] = v[i - 1];
	v[i] = *x;
	r->n++;
	return 0;
}

static void forget(const struct host_recordings *r, const char *id)
{
	char path[PATH_MAX];

	if (path_of(r, id, "json", path) == 0)
		unlink(path);
}

static void drop(struct host_recordings *r, struct recording *x, const char *why)
{
	char path[PATH_MAX];

	log_info("recording.delete", "id=%s desktop=%s why=\"%s\"", x->id, x->desktop, why);
	if (path_of(r, x->id, "mkv", path) == 0)
		unlink(path);
	forget(r, x->id);
	r->n--;
	memmove(x, x + 1, (size_t)(r->v + r->n - x) * sizeof(*x));
}

/* One that an earlier agent left open ended when it was last written, or is written still by a
 * display that outlived it and is told of another one. */
static void take_up(struct host_recordings *r, const char *id)
{
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;
	struct recording x = {0};
	char path[PATH_MAX];
	struct err e = {0};
	struct stat st;
	size_t n;

	memcpy(x.id, id, HOST_UUID);
	if (path_of(r, id, "json", path) < 0 || file_read(path, 4096, &text, &n, &e) < 0 ||
	    !(o = json_parse(text, n, &e)) || from_json(o, &x, &e) < 0) {
		log_warn("recording.load", "id=%s error=%s", id, LOG_Q(e.msg));
		return;
	}
	if (path_of(r, id, "mkv", path) < 0)
		return;
	if (stat(path, &st) < 0) {
		int why = errno;

		log_warn("recording.load", "id=%s error=%s", id, LOG_Q(strerror(why)));
		if (why == ENOENT)
			forget(r, id);
		return;
	}
	x.bytes = st.st_size;
	if (!x.ended_s) {
		x.ended_s = st.st_mtime > x.began_s ? st.st_mtime : x.began_s;
		snprintf(x.why, sizeof(x.why), "the host agent ended");
		(void)!save(r, &x, &e);
	}
	(void)!add(r, &x);
}

struct host_recordings *host_recordings_new(const struct host_config *c, struct err *e)
{
	struct host_recordings *r = calloc(1, sizeof(*r));
	struct dirent *de;
	DIR *dir;

	if (!r || host_config_path(c, r->dir, "recordings", NULL) < 0) {
		free(r);
		err_set(e, -ENOMEM, "recordings: out of memory");
		return NULL;
	}
	r->config = c;
	if (dir_make(r->dir, 0700, e) < 0) {
		log_warn("recording.folder", "error=%s", LOG_Q(e->msg)); /* said again at need */
		return r;
	}
	dir = opendir(r->dir);
	while (dir && (de = readdir(dir))) {
		char id[HOST_UUID];

		if (strlen(de->d_name) != 41 || strcmp(de->d_name + 36, ".json") != 0)
			continue;
		memcpy(id, de->d_name, 36);
		id[36] = 0;
		if (host_uuid_ok(id))
			take_up(r, id);
	}
	if (dir)
		closedir(dir);
	return r;
}

void host_recordings_free(struct host_recordings *r)
{
	if (!r)
		return;
	free(r->v);
	free(r);
}

/* ---- a recording's life -------------------------------------------------------------------- */

int64_t host_recordings_part(const struct host_recordings *r)
{
	int64_t cap = r->config->recordings_mib * (INT64_C(1) << 20) / 4;

	return cap < PART_BYTES ? cap : PART_BYTES;
}

int host_recordings_room(const struct host_recordings *r, struct err *e)
{
	cleanup_close int fd = -1;
	struct statvfs s;

	if (dir_make(r->dir, 0700, e) < 0)
		return e && e->code ? e->code : -EIO;
	fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstatvfs(fd, &s) < 0)
		return err_set(e, -errno, "%s: %s", r->dir, strerror(errno));
	if ((uint64_t)s.f_bavail * s.f_frsize < (uint64_t)HOST_RECORDING_FREE_MIB << 20)
		return err_set(e, -ENOSPC, "less than %d MiB are free for recordings",
			       HOST_RECORDING_FREE_MIB);
	return 0;
}

static int make_id(char id[HOST_UUID])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	b[6] = (uint8_t)(0x40 | (b[6] & 0x0f)); /* RFC 9562 5.4 */
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	snprintf(id, HOST_UUID,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

int host_recordings_begin(struct host_recordings *r, const struct host_recording_of *of,
			  char id[HOST_UUID], struct err *e)
{
	struct recording x = {.began_s = of->now_s, .days = of->days};
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	int k = host_recordings_room(r, e);

	if (k < 0 || (k = make_id(x.id)) < 0)
		return k;
	snprintf(x.desktop, sizeof(x.desktop), "%s", of->desktop);
	snprintf(x.name, sizeof(x.name), "%s", of->name);
	snprintf(x.user, sizeof(x.user), "%s", of->user);
	utf8_trim(x.user); /* else no JSON could be made of it */
	if ((k = save(r, &x, e)) < 0 || (k = path_of(r, x.id, "mkv", path)) < 0)
		return k;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		k = err_set(e, -errno, "%s: %s", path, strerror(errno));
	else if (add(r, &x) < 0)
		k = err_set(e, -ENOMEM, "out of memory");
	if (k < 0) {
		if (fd >= 0)
			unlink(path);
		forget(r, x.id);
		return k;
	}
	memcpy(id, x.id, HOST_UUID);
	log_info("recording.begin", "id=%s desktop=%s", x.id, x.desktop);
	return steal_fd(&fd);
}

void host_recordings_end(struct host_recordings *r, const char *id, const char *why, int64_t now_s)
{
	struct recording *x = find(r, id);
	struct err e = {0};

	if (!x)
		return;
	x->bytes = size_of(r, id);
	x->ended_s = now_s > x->began_s ? now_s : x->began_s;
	snprintf(x->why, sizeof(x->why), "%s", why);
	utf8_trim(x->why);
	log_info("recording.end", "id=%s bytes=%lld why=%s", id, (long long)x->bytes, LOG_Q(why));
	if (!x->bytes)
		drop(r, x, "nothing is in it");
	else if (save(r, x, &e) < 0)
		log_err("recording.save", "id=%s error=%s", id, LOG_Q(e.msg));
}

static struct recording *oldest_ended(struct host_recordings *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].ended_s)
			return &r->v[i];
	return NULL;
}

static int64_t total(const struct host_recordings *r)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += r->v[i].ended_s ? r->v[i].bytes : size_of(r, r->v[i].id);
	return sum;
}

bool host_recordings_tick(struct host_recordings *r, int64_t now_s)
{
	int64_t cap = r->config->recordings_mib * (INT64_C(1) << 20);
	struct recording *x;
	size_t before = r->n;

	for (size_t i = r->n; i-- > 0;) {
		x = &r->v[i];
		if (x->ended_s && now_s - x->ended_s > (int64_t)x->days * DAY_S)
			drop(r, x, "its days are over");
	}
	while ((r->n > HOST_RECORDINGS_MAX || total(r) > cap) && (x = oldest_ended(r)))
		drop(r, x, "there are too many");
	return r->n != before;
}

bool host_recordings_drop(struct host_recordings *r, json_t *ids)
{
	struct recording *x;
	size_t i, before = r->n;
	json_t *id;

	json_array_foreach(ids, i, id)
	{
		x = json_is_string(id) ? find(r, json_string_value(id)) : NULL;
		if (x && x->ended_s)
			drop(r, x, "ordered");
	}
	return r->n != before;
}

json_t *host_recordings_report(const struct host_recordings *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < r->n; i++)
		(void)json_array_append_new(list, to_json(&r->v[i]));
	return list;
}
