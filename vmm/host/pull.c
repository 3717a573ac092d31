/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pull.h. The worker takes the first wanted version that is not here, fetches it into a hidden
 * directory and renames that: the agent never sees half an image, and what came before a broken
 * connection is kept for the next attempt. `lock` guards the list and what is said of each entry;
 * the worker holds it only to look and to note.
 */
#include "vmm/host/pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pull.h"

#define RETRY_MS  10000
#define NOTICE_MS 1000

struct wanted {
	char name[HOST_NAME_MAX], version[HOST_VERSION_MAX];
	int percent;
	char reason[400]; /* why it failed, "" */
	int64_t retry_ms;
	bool here;
};

struct host_pull {
	struct loop *loop;		  /* borrowed */
	const struct host_config *config; /* borrowed */
	struct http_client *http;	  /* owned; used by the worker, cancelled by the loop */
	char id[HOST_UUID];
	loop_fn changed;
	void *arg;
	pthread_t thread;
	atomic_bool stop;
	int64_t noticed_ms;   /* worker only */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct wanted v[HOST_WANTED_MAX];
	size_t n;
};

static int image_dir(const struct host_pull *p, const char *prefix, const struct wanted *w,
		     char out[PATH_MAX])
{
	char sub[HOST_NAME_MAX + HOST_VERSION_MAX + 16];

	snprintf(sub, sizeof(sub), "%s%s@%s", prefix, w->name, w->version);
	return host_config_path(p->config, out, "images", sub);
}

static bool is_here(const struct host_pull *p, const struct wanted *w)
{
	struct host_image img;

	return host_image_find(p->config, w->name, w->version, &img, NULL) == 0;
}

static struct wanted *find(struct host_pull *p, const char *name, const char *version)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, name) && !strcmp(p->v[i].version, version))
			return &p->v[i];
	return NULL;
}

static void notice(struct host_pull *p, bool now)
{
	if (!now && clock_ms() - p->noticed_ms < NOTICE_MS)
		return;
	p->noticed_ms = clock_ms();
	if (!atomic_load(&p->stop) && loop_post(p->loop, p->changed, p->arg) < 0)
		log_warn("image.fetch", "error=memory");
}

/* ---- the worker ---- */

struct fetching {
	struct host_pull *p;
	struct wanted w;
};

static bool on_progress(void *arg, int64_t done, int64_t total)
{
	struct fetching *f = arg;
	struct wanted *w;
	bool wanted;

	pthread_mutex_lock(&f->p->lock);
	w = find(f->p, f->w.name, f->w.version);
	wanted = w != NULL;
	if (w)
		w->percent = total ? (int)(done * 100 / total) : 0;
	pthread_mutex_unlock(&f->p->lock);
	notice(f->p, false);
	return wanted && !atomic_load(&f->p->stop);
}

static int take_into_use(struct fetching *f, const char *tmp, struct err *e)
{
	char dst[PATH_MAX], mark[PATH_MAX];
	struct host_image img;
	int r;

	if ((r = host_image_read(tmp, &img, e)) < 0)
		return r;
	if (strcmp(img.name, f->w.name) != 0 || strcmp(img.version, f->w.version) != 0)
		return err_set(e, -EPROTO, "it calls itself %s version %s", img.name, img.version);
	if ((r = path_join(mark, sizeof(mark), tmp, ".pulled")) < 0 ||
	    (r = file_write(mark, "", 0, 0444, e)) < 0 || (r = image_dir(f->p, "", &f->w, dst)) < 0)
		return r;
	return rename(tmp, dst) < 0 ? err_set(e, -errno, "%s: %s", dst, strerror(errno)) : 0;
}

static int fetch(struct fetching *f, struct err *e)
{
	char manifest[320], files[300], tmp[PATH_MAX];
	struct pull_params pp = {.http = f->p->http,
				 .manifest = manifest,
				 .files = files,
				 .dir = tmp,
				 .progress = on_progress,
				 .arg = f};
	int r = image_dir(f->p, ".pull.", &f->w, tmp);

	if (r < 0)
		return r;
	snprintf(files, sizeof(files), "/internal/v1/hosts/%s/images/%s/%s/", f->p->id, f->w.name,
		 f->w.version);
	snprintf(manifest, sizeof(manifest), "%smanifest", files);
	log_info("image.fetch", "image=%s version=%s", f->w.name, f->w.version);
	r = pull_image(&pp, e);
	return r < 0 ? r : take_into_use(f, tmp, e);
}

static void note(struct fetching *f, int r, const struct err *e)
{
	struct wanted *w;

	if (r < 0 && r != -ECANCELED)
		log_warn("image.failed", "image=%s version=%s error=%s", f->w.name, f->w.version,
			 LOG_Q(e->msg));
	else if (r >= 0)
		log_info("image.here", "image=%s version=%s", f->w.name, f->w.version);
	pthread_mutex_lock(&f->p->lock);
	w = find(f->p, f->w.name, f->w.version);
	if (w) {
		w->here = r >= 0;
		w->retry_ms = clock_ms() + RETRY_MS;
		snprintf(w->reason, sizeof(w->reason), "%s",
			 r >= 0 || r == -ECANCELED ? "" : e->msg);
	}
	pthread_mutex_unlock(&f->p->lock);
	notice(f->p, true);
}

/* Under the lock: the next one to fetch, or how long to wait. */
static bool next(struct host_pull *p, struct wanted *out, int64_t *wait_ms)
{
	*wait_ms = RETRY_MS;
	for (size_t i = 0; i < p->n; i++) {
		struct wanted *w = &p->v[i];
		int64_t left = w->retry_ms - clock_ms();

		if (w->here || (w->here = is_here(p, w)))
			continue;
		if (left <= 0) {
			*out = *w;
			return true;
		}
		if (left < *wait_ms)
			*wait_ms = left;
	}
	return false;
}

static void *worker(void *arg)
{
	struct host_pull *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!atomic_load(&p->stop)) {
		struct fetching f = {.p = p};
		struct err e = {0};
		struct timespec until;
		int64_t wait_ms;
		int r;

		if (!next(p, &f.w, &wait_ms)) {
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec += wait_ms / 1000 + 1;
			pthread_cond_timedwait(&p->wake, &p->lock, &until);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		r = fetch(&f, &e);
		note(&f, r, &e);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the loop's side ---- */

struct host_pull *host_pull_new(struct loop *l, const struct host_config *c,
				const struct http_params *hp, const char *host_id, loop_fn changed,
				void *arg, struct err *e)
{
	struct host_pull *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p)
		return NULL;
	p->loop = l;
	p->config = c;
	p->changed = changed;
	p->arg = arg;
	snprintf(p->id, sizeof(p->id), "%s", host_id);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	p->http = http_new(hp, e);
	if (p->http && pthread_create(&p->thread, NULL, worker, p) == 0)
		return p;
	http_free(p->http);
	free(p);
	return NULL;
}

void host_pull_free(struct host_pull *p)
{
	bool running = true;

	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_mutex_lock(&p->lock);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	while (running) {
		struct timespec until;

		http_cancel(p->http);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		running = pthread_timedjoin_np(p->thread, NULL, &until) == ETIMEDOUT;
	}
	http_free(p->http);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	free(p);
}

void host_pull_want(struct host_pull *p, json_t *images)
{
	struct wanted v[HOST_WANTED_MAX] = {0};
	size_t i, n = 0;
	json_t *o;

	if (!json_is_array(images))
		return;
	pthread_mutex_lock(&p->lock);
	json_array_foreach(images, i, o)
	{
		const char *name = json_string_value(json_object_get(o, "name"));
		const char *version = json_string_value(json_object_get(o, "version"));
		struct wanted *had;

		if (!name || !version || !host_name_ok(name) || !host_name_ok(version) ||
		    n == HOST_WANTED_MAX)
			continue;
		had = find(p, name, version);
		if (had)
			v[n] = *had;
		snprintf(v[n].name, sizeof(v[n].name), "%s", name);
		snprintf(v[n].version, sizeof(v[n].version), "%s", version);
		v[n].here = is_here(p, &v[n]);
		n++;
	}
	memcpy(p->v, v, sizeof(v));
	p->n = n;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

bool host_pull_waits(struct host_pull *p, const char *name, const char *version, char *why,
		     size_t n)
{
	struct wanted *w;
	bool waits;

	pthread_mutex_lock(&p->lock);
	w = find(p, name, version);
	waits = w && !w->here && !w->reason[0];
	if (waits)
		snprintf(why, n, "fetching image %s %s: %d %%", name, version, w->percent);
	else if (w && !w->here)
		snprintf(why, n, "image %s %s could not be fetched: %s", name, version, w->reason);
	pthread_mutex_unlock(&p->lock);
	return waits;
}

void host_pull_report(struct host_pull *p, json_t *images)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++) {
		const struct wanted *w = &p->v[i];

		if (w->here)
			continue;
		(void)json_array_append_new(images,
					    json_pack("{s:s,s:s,s:i,s:s,s:i,s:s}", "name", w->name,
						      "version", w->version, "disk_mib", 0, "state",
						      w->reason[0] ? "failed" : "pulling",
						      "percent", w->percent, "reason", w->reason));
	}
	pthread_mutex_unlock(&p->lock);
}

/* NAME@VERSION that came from the broker, or a broken-off attempt at one. */
static bool fetched_dir(int at, const char *dir, struct wanted *w)
{
	const char *s = strncmp(dir, ".pull.", 6) == 0 ? dir + 6 : dir, *sep = strrchr(s, '@');
	char mark[NAME_MAX + 16];
	struct stat st;

	if (!sep || sep - s >= HOST_NAME_MAX || strlen(sep + 1) >= HOST_VERSION_MAX)
		return false;
	snprintf(w->name, sizeof(w->name), "%.*s", (int)(sep - s), s);
	snprintf(w->version, sizeof(w->version), "%s", sep + 1);
	snprintf(mark, sizeof(mark), "%s/.pulled", dir);
	return s != dir || fstatat(at, mark, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void host_pull_sweep(struct host_pull *p,
		     bool (*in_use)(void *arg, const char *name, const char *version), void *arg)
{
	char root[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (host_config_path(p->config, root, "images", NULL) < 0 || !(d = opendir(root)))
		return;
	while ((de = readdir(d))) {
		struct wanted w = {0};
		bool keep;

		if (!fetched_dir(dirfd(d), de->d_name, &w))
			continue;
		pthread_mutex_lock(&p->lock);
		keep = find(p, w.name, w.version) != NULL;
		pthread_mutex_unlock(&p->lock);
		if (keep || in_use(arg, w.name, w.version))
			continue;
		log_info("image.remove", "image=%s version=%s", w.name, w.version);
		if (host_image_drop(p->config, de->d_name) < 0)
			log_warn("image.remove", "image=%s version=%s failed=yes", w.name,
				 w.version);
	}
	closedir(d);
}
