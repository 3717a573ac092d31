/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See courier.h. Two threads: the agent's loop replaces the list of wants; the worker takes a want
 * that has something to send, sends one piece and looks again. `lock` guards the list.
 */
#include "vmm/host/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/json.h"
#include "common/log.h"
#include "vmm/host/orders.h"

#define UPLOAD_MS 20000
#define AGAIN_S	  2 /* after one that did not arrive */

struct want {
	char id[HOST_UUID];
	int64_t sent, to, serial;
	bool over; /* there is no more of it, or no such file */
};

struct host_courier {
	const struct host_config *config; /* borrowed */
	struct http_client *http;	  /* owned; the worker's, cancelled by the loop's thread */
	char host[HOST_UUID];
	uint8_t *piece; /* owned; the worker's */
	struct log_bucket bucket;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop;
	struct want v[HOST_COURIER_WANTS];
	unsigned n;
};

/* ---- what is wanted ------------------------------------------------------------------------ */

static int parse(json_t *o, struct want *w)
{
	const char *id;

	if (json_need_str(o, "id", 36, 36, &id, NULL) < 0 || !host_uuid_ok(id) ||
	    json_need_int(o, "from", 0, INT64_MAX / 2, &w->sent, NULL) < 0 ||
	    json_need_int(o, "to", 0, INT64_MAX / 2, &w->to, NULL) < 0 ||
	    json_need_int(o, "serial", 0, INT64_MAX / 2, &w->serial, NULL) < 0)
		return -EPROTO;
	memcpy(w->id, id, HOST_UUID);
	return 0;
}

static struct want *find(struct host_courier *c, const char *id)
{
	for (unsigned i = 0; i < c->n; i++)
		if (strcmp(c->v[i].id, id) == 0)
			return &c->v[i];
	return NULL;
}

void host_courier_want(struct host_courier *c, json_t *list)
{
	struct want v[HOST_COURIER_WANTS] = {0};
	unsigned n = 0;
	json_t *o;
	size_t i;

	pthread_mutex_lock(&c->lock);
	json_array_foreach(list, i, o)
	{
		const struct want *had;

		if (n == HOST_COURIER_WANTS || !json_is_object(o) || parse(o, &v[n]) < 0)
			continue;
		had = find(c, v[n].id);
		if (had && had->serial == v[n].serial && had->sent > v[n].sent)
			v[n].sent = had->sent;
		n++;
	}
	memcpy(c->v, v, sizeof(v));
	c->n = n;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

/* ---- the worker ---------------------------------------------------------------------------- */

static int open_file(const struct host_courier *c, const char *id)
{
	char path[PATH_MAX], name[64];
	int fd;

	snprintf(name, sizeof(name), "%s.mkv", id);
	if (host_config_path(c->config, path, "recordings", name) < 0)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* One piece of w: how much was sent, 0 at the file's end, or -errno. */
static int64_t send_piece(struct host_courier *c, const struct want *w)
{
	int64_t n = w->to - w->sent < HOST_COURIER_CHUNK ? w->to - w->sent : HOST_COURIER_CHUNK;
	cleanup_json json_t *reply = NULL;
	struct err e = {0};
	char path[200];
	cleanup_close int fd = open_file(c, w->id);
	ssize_t got;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	got = pread(fd, c->piece, (size_t)n, w->sent);
	if (got <= 0)
		return got ? -errno : 0;
	snprintf(path, sizeof(path), "/internal/v1/hosts/%s/recordings/%s?offset=%" PRId64, c->host,
		 w->id, w->sent);
	r = http_send(c->http, "PUT", path, c->piece, (size_t)got, &reply, &e);
	if (r < 0 && log_allow(&c->bucket, 1))
		log_warn("recording.send", "id=%s error=%s", w->id, LOG_Q(e.msg));
	return r < 0 ? r : got;
}

static bool next(struct host_courier *c, struct want *w)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (c->v[i].over || c->v[i].sent >= c->v[i].to)
			continue;
		*w = c->v[i];
		return true;
	}
	return false;
}

/* Under the lock: w, as it was when it was sent, has been. */
static void note(struct host_courier *c, const struct want *w, int64_t n)
{
	struct want *now = find(c, w->id);

	if (!now || now->serial != w->serial)
		return;
	now->over = n == 0;
	if (n > 0 && now->sent < w->sent + n)
		now->sent = w->sent + n;
}

static void *run(void *arg)
{
	struct host_courier *c = arg;
	struct timespec until;
	struct want w;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		int64_t n;

		if (!next(c, &w)) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		n = send_piece(c, &w);
		pthread_mutex_lock(&c->lock);
		if (n >= 0) {
			note(c, &w, n);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += AGAIN_S;
		if (!c->stop)
			pthread_cond_timedwait(&c->wake, &c->lock, &until);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void release(struct host_courier *c)
{
	http_free(c->http);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	free(c->piece);
	free(c);
}

struct host_courier *host_courier_new(const struct host_config *config,
				      const struct http_params *hp, const char *host, struct err *e)
{
	struct host_courier *c = calloc(1, sizeof(*c));
	struct http_params params = *hp;
	int r;

	if (!c) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	params.timeout_ms = UPLOAD_MS;
	c->config = config;
	snprintf(c->host, sizeof(c->host), "%s", host);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	c->piece = malloc(HOST_COURIER_CHUNK);
	c->http = http_new(&params, e);
	r = c->piece && c->http ? pthread_create(&c->thread, NULL, run, c) : ENOMEM;
	if (r) {
		err_set(e, -r, "recordings: %s", strerror(r));
		release(c);
		return NULL;
	}
	return c;
}

void host_courier_free(struct host_courier *c)
{
	bool running = true;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	while (running) {
		struct timespec until;

		http_cancel(c->http);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		running = pthread_timedjoin_np(c->thread, NULL, &until) == ETIMEDOUT;
	}
	release(c);
}
