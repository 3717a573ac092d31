/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See work.h. One mutex guards both lists and the counters; it is held only for list surgery.
 */
#include "broker/work.h"
#include "broker/db.h"
#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RECHECK_MS 1000 /* the slow poll behind LISTEN/NOTIFY */

struct work {
	struct work_params p;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct req *head, **tail; /* queue; under lock */
	struct req *held;	  /* under lock */
	int waiting;		  /* queued and held; under lock */
	bool stopping;		  /* under lock */
	int started;
	pthread_t threads[64];
};

static void enqueue(struct work *w, struct req *r)
{
	r->next = NULL;
	*w->tail = r;
	w->tail = &r->next;
	pthread_cond_signal(&w->more);
}

static struct req *dequeue(struct work *w)
{
	struct req *r = w->head;

	w->head = r->next;
	if (!w->head)
		w->tail = &w->head;
	r->next = NULL;
	return r;
}

static void finish(struct work *w, struct req *r)
{
	pthread_mutex_lock(&w->lock);
	w->waiting--;
	pthread_mutex_unlock(&w->lock);
	w->p.done(r);
}

static void hold(struct work *w, struct req *r)
{
	pthread_mutex_lock(&w->lock);
	if (w->stopping) {
		pthread_mutex_unlock(&w->lock);
		req_fail(r, 503, "broker.stopping", "The broker is restarting. Try again.");
		finish(w, r);
		return;
	}
	r->recheck_ms = clock_ms() + RECHECK_MS;
	if (r->recheck_ms > r->wait_until_ms)
		r->recheck_ms = r->wait_until_ms;
	r->next = w->held;
	w->held = r;
	pthread_mutex_unlock(&w->lock);
}

static void run_one(struct work *w, struct db *db, struct req *r)
{
	r->expired = r->wait_until_ms && clock_ms() >= r->wait_until_ms;
	if (w->p.run(w->p.arg, db, r) == REQ_WAIT)
		hold(w, r);
	else
		finish(w, r);
}

static void *worker(void *arg)
{
	struct work *w = arg;
	struct db db;

	db_init(&db, w->p.conninfo, "pane-broker", w->p.statement_timeout_ms);
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->head && !w->stopping)
			pthread_cond_wait(&w->more, &w->lock);
		if (!w->head)
			break;
		struct req *r = dequeue(w);

		pthread_mutex_unlock(&w->lock);
		run_one(w, &db, r);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	db_fini(&db);
	return NULL;
}

struct work *work_new(const struct work_params *p, struct err *e)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w || p->threads > (int)ARRAY_LEN(w->threads)) {
		free(w);
		err_set(e, -ENOMEM, "cannot start the worker pool");
		return NULL;
	}
	w->p = *p;
	w->tail = &w->head;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	for (; w->started < p->threads; w->started++) {
		if (pthread_create(&w->threads[w->started], NULL, worker, w)) {
			err_set(e, -EAGAIN, "cannot start a worker thread");
			work_stop(w);
			work_free(w);
			return NULL;
		}
	}
	return w;
}

void work_stop(struct work *w)
{
	struct req *held;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	held = w->held;
	w->held = NULL;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < w->started; i++)
		pthread_join(w->threads[i], NULL);
	w->started = 0;
	while (held) {
		struct req *r = held;

		held = r->next;
		req_fail(r, 503, "broker.stopping", "The broker is restarting. Try again.");
		finish(w, r);
	}
}

void work_free(struct work *w)
{
	if (!w)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	free(w);
}

int work_submit(struct work *w, struct req *r)
{
	int ret = 0;

	pthread_mutex_lock(&w->lock);
	if (w->stopping || w->waiting >= w->p.max_waiting) {
		ret = -EBUSY;
	} else {
		w->waiting++;
		enqueue(w, r);
	}
	pthread_mutex_unlock(&w->lock);
	return ret;
}

/* Moves held requests for which pick() is true into the queue. */
static void requeue(struct work *w, bool (*pick)(struct req *r, const void *arg), const void *arg)
{
	pthread_mutex_lock(&w->lock);
	for (struct req **p = &w->held; *p;) {
		struct req *r = *p;

		if (pick(r, arg)) {
			*p = r->next;
			enqueue(w, r);
		} else {
			p = &r->next;
		}
	}
	pthread_mutex_unlock(&w->lock);
}

static bool has_key(struct req *r, const void *key)
{
	return !strcmp(r->wait_key, key);
}

void work_wake(struct work *w, const char *key)
{
	requeue(w, has_key, key);
}

void work_wake_one(struct work *w, const char *key)
{
	struct req **last = NULL;

	pthread_mutex_lock(&w->lock);
	for (struct req **p = &w->held; *p; p = &(*p)->next)
		if (has_key(*p, key))
			last = p; /* newest are in front */
	if (last) {
		struct req *r = *last;

		*last = r->next;
		enqueue(w, r);
	}
	pthread_mutex_unlock(&w->lock);
}

struct other {
	const char *key;
	const struct req *r;
};

static bool is_other(struct req *r, const void *arg)
{
	const struct other *o = arg;

	if (r == o->r || strcmp(r->wait_key, o->key))
		return false;
	r->superseded = true;
	return true;
}

void work_supersede(struct work *w, const char *key, const struct req *r)
{
	struct other o = {key, r};

	requeue(w, is_other, &o);
}

static bool peer_gone(int fd)
{
	char c;

	return fd >= 0 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool is_due(struct req *r, const void *now)
{
	if (peer_gone(r->fd))
		r->gone = true;
	return r->gone || r->recheck_ms <= *(const int64_t *)now;
}

void work_tick(struct work *w)
{
	int64_t now = clock_ms();

	requeue(w, is_due, &now);
}
