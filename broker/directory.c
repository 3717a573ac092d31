/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See directory.h.
 */
#include "broker/directory.h"
#include "broker/db.h"
#include "broker/helpers.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LIST_MS	  120000
#define SYNC_LOCK "1885433449, 1"

struct directory {
	const struct broker_conf *conf; /* borrowed */
	struct helpers *helpers;	/* owned */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool sync_now, force, stopping; /* under lock */
	pthread_t syncer;
	bool syncing;
};

/* ---- users and groups are brought over ---- */

static void timespec_in(struct timespec *t, int seconds)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += seconds;
}

static void sync_once(struct directory *d, struct db *db, bool force)
{
	cleanup_free char *locked = NULL, *rows = NULL, *told = NULL;
	cleanup_json json_t *o = NULL;

	if (db_ready(db))
		return;
	locked = db_text_n(db, "SELECT pg_try_advisory_lock(" SYNC_LOCK ")", 0, NULL);
	if (!locked || *locked != 't')
		return; /* another broker does it */
	o = helpers_wait(d->helpers, json_pack("{s:s}", "op", "list"), LIST_MS);
	rows = json_dumps(o, JSON_COMPACT);
	told = rows ? db_text(db, "SELECT pane.directory_sync($1, $2, $3)::text", rows,
			      DB_INT(d->conf->retention_s), force ? "true" : "false")
		    : NULL;
	if (told)
		log_info("directory.sync", "told=%s", LOG_Q(told));
	else
		log_warn("directory.sync", "error=%s", LOG_Q(db->fail.msg));
	if (db_exec_n(db, "SELECT pg_advisory_unlock(" SYNC_LOCK ")", 0, NULL))
		log_warn("directory.sync", "error=unlock");
}

static void *sync_thread(void *arg)
{
	struct directory *d = arg;
	int every = d->conf->directory.sync_s;
	struct timespec until;
	struct db db;

	db_init(&db, d->conf->conninfo, "pane-broker directory", 60000);
	timespec_in(&until, every ? 0 : 86400);
	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		bool force;

		while (!d->stopping && !d->sync_now &&
		       pthread_cond_timedwait(&d->changed, &d->lock, &until) != ETIMEDOUT)
			;
		if (d->stopping)
			break;
		force = d->force;
		if (every || d->sync_now) {
			d->sync_now = d->force = false;
			pthread_mutex_unlock(&d->lock);
			sync_once(d, &db, force);
			pthread_mutex_lock(&d->lock);
		}
		timespec_in(&until, every ? every : 86400);
	}
	pthread_mutex_unlock(&d->lock);
	db_fini(&db);
	return NULL;
}

void directory_sync(struct directory *d, bool force)
{
	pthread_mutex_lock(&d->lock);
	d->sync_now = true;
	d->force |= force;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* ---- what is asked of it ---- */

uint64_t directory_ask(struct directory *d, json_t *ask)
{
	return helpers_ask(d->helpers, ask, d->conf->directory.timeout_s * 2000);
}

struct helpers *directory_helpers(struct directory *d)
{
	return d->helpers;
}

/* ---- life ---- */

struct directory *directory_start(const struct broker_conf *c, struct work *w, struct err *e)
{
	struct directory *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;

	if (!d) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	d->conf = c;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attr);
	pthread_condattr_destroy(&attr);
	d->helpers = helpers_start("directory", c->path, c->directory.helpers, w, e);
	if (!d->helpers) {
		directory_stop(d);
		return NULL;
	}
	d->syncing = !pthread_create(&d->syncer, NULL, sync_thread, d);
	if (!d->syncing) {
		err_set(e, -EAGAIN, "cannot start the directory's thread");
		directory_stop(d);
		return NULL;
	}
	return d;
}

void directory_stop(struct directory *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	if (d->helpers)
		helpers_cancel(d->helpers); /* the comparison's thread may wait for one */
	if (d->syncing)
		pthread_join(d->syncer, NULL);
	helpers_stop(d->helpers);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d);
}
