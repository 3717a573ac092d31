/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sync.h. Two threads: the agent's loop calls everything exported here; the worker waits for a
 * report, calls http_call() and posts the outcome to the loop. The slot between them is guarded by
 * `lock`; a json_t belongs to one thread at a time.
 */
#include "vmm/host/sync.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RECANCEL_MS 200 /* a cancel that came before the call had begun is repeated */

struct host_sync {
	struct loop *loop;	  /* borrowed */
	struct http_client *http; /* owned; used by the worker, cancelled by the loop's thread */
	char *path;		  /* owned */
	host_sync_fn fn;
	void *arg;
	struct loop_timer *recancel; /* owned */
	bool busy;		     /* loop's thread only */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop, done;
	json_t *report, *reply; /* owned by whoever holds the slot */
	int result;
	struct err err;
};

static void sync_deliver(void *arg)
{
	struct host_sync *s = arg;
	json_t *reply;
	struct err e;
	int r;

	pthread_mutex_lock(&s->lock);
	if (!s->done) {
		pthread_mutex_unlock(&s->lock);
		return;
	}
	s->done = false;
	reply = steal_ptr(&s->reply);
	r = s->result;
	e = s->err;
	pthread_mutex_unlock(&s->lock);
	s->busy = false;
	loop_timer_set(s->recancel, -1);
	s->fn(s->arg, r, reply, &e);
	json_decref(reply);
}

static void *sync_main(void *arg)
{
	struct host_sync *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		struct err e = {0};
		json_t *report, *reply = NULL;
		int r;

		if (!s->report) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		report = steal_ptr(&s->report);
		pthread_mutex_unlock(&s->lock);
		r = http_call(s->http, "POST", s->path, report, &reply, &e);
		json_decref(report);
		pthread_mutex_lock(&s->lock);
		s->result = r;
		s->reply = reply;
		s->err = e;
		s->done = true;
		if (!s->stop && loop_post(s->loop, sync_deliver, s) < 0)
			break; /* no memory for one small node: the agent's watchdog is its timer */
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void sync_recancel(void *arg)
{
	struct host_sync *s = arg;

	if (!s->busy)
		return;
	http_cancel(s->http);
	loop_timer_set(s->recancel, RECANCEL_MS);
}

struct host_sync *host_sync_new(struct loop *l, const struct http_params *p, const char *path,
				host_sync_fn fn, void *arg, struct err *e)
{
	struct host_sync *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return NULL;
	s->loop = l;
	s->fn = fn;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->path = strdup(path);
	s->recancel = loop_timer_add(l, -1, sync_recancel, s);
	s->http = http_new(p, e);
	if (!s->path || !s->recancel || !s->http)
		goto fail;
	r = pthread_create(&s->thread, NULL, sync_main, s);
	if (r) {
		err_set(e, -r, "cannot start a thread: %s", strerror(r));
		goto fail;
	}
	return s;
fail:
	http_free(s->http);
	loop_timer_del(s->recancel);
	free(s->path);
	free(s);
	return NULL;
}

void host_sync_free(struct host_sync *s)
{
	bool running = true;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	while (running) {
		struct timespec until;

		http_cancel(s->http);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		running = pthread_timedjoin_np(s->thread, NULL, &until) == ETIMEDOUT;
	}
	json_decref(s->report);
	json_decref(s->reply);
	http_free(s->http);
	loop_timer_del(s->recancel);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s->path);
	free(s);
}

void host_sync_submit(struct host_sync *s, json_t *report)
{
	s->busy = true;
	pthread_mutex_lock(&s->lock);
	s->report = report;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

bool host_sync_idle(const struct host_sync *s)
{
	return !s->busy;
}

void host_sync_cancel(struct host_sync *s)
{
	if (s->busy)
		sync_recancel(s);
}
