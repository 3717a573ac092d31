/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See reconcile.h. Each step is its own transaction; a step that fails is tried again next time.
 */
#include "broker/reconcile.h"
#include "broker/db.h"
#include "broker/seal.h"
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define PURGE_EVERY 60 /* rounds */

struct reconciler {
	const struct broker_conf *conf; /* borrowed */
	const struct seal *seal;	/* borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool poked, stopping; /* under lock */
};

static const struct {
	const char *name, *sql;
} steps[] = {
	{"hosts", "SELECT pane.rec_hosts()"},	{"deadlines", "SELECT pane.rec_deadlines()"},
	{"repair", "SELECT pane.rec_repair()"}, {"rollouts", "SELECT pane.rec_rollouts()"},
	{"drain", "SELECT pane.rec_drain()"},	{"timers", "SELECT pane.rec_timers()"},
	{"spares", "SELECT pane.rec_spares()"}, {"pools", "SELECT pane.rec_pools()"},
	{"bin", "SELECT pane.rec_bin()"},	{"provision", "SELECT pane.rec_provision()"},
	{"power", "SELECT pane.rec_power()"},	{"shadow", "SELECT pane.rec_shadow()"},
	{"report", "SELECT pane.rec_report()"},
};

/* Now and then: what is old. */
static void purge(struct db *db, const struct broker_conf *c)
{
	cleanup_free char *n = db_text_n(db, "SELECT pane.rec_purge()", 0, NULL);
	cleanup_free char *homes =
		db_text(db, "SELECT pane.rec_homes($1)", DB_INT(c->home_retention_s));

	(void)n;
	if (homes && atoi(homes) > 0)
		log_info("reconcile", "step=homes changed=%s", homes);
}

/* A step that failed is tried again next time, and holds the others up only while there is no
 * database: one that takes too long must not be the end of those behind it. Whether to go on. */
static bool failed(struct db *db, const char *step)
{
	if (!db->fail.retry)
		log_warn("reconcile.failed", "step=%s reason=%s", step, db->fail.code);
	return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

static void one_round(struct db *db, const struct broker_conf *c, unsigned round)
{
	if (db_ready(db))
		return;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		cleanup_free char *n = db_text_n(db, steps[i].sql, 0, NULL);

		if (n && atoi(n) > 0)
			log_info("reconcile", "step=%s changed=%s", steps[i].name, n);
		else if (!n && !failed(db, steps[i].name))
			return;
	}
	if (round % PURGE_EVERY == 0)
		purge(db, c);
}

/* Sleeps one period or until poked; false when it is time to go. */
static bool rest(struct reconciler *r)
{
	struct timespec until;
	bool go;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += r->conf->reconcile_ms / 1000;
	until.tv_nsec += r->conf->reconcile_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&r->lock);
	while (!r->poked && !r->stopping &&
	       pthread_cond_timedwait(&r->wake, &r->lock, &until) != ETIMEDOUT)
		;
	r->poked = false;
	go = !r->stopping;
	pthread_mutex_unlock(&r->lock);
	return go;
}

static void *run(void *arg)
{
	struct reconciler *r = arg;
	unsigned round = 0;
	bool sealed = false;
	struct db db;

	db_init(&db, r->conf->conninfo, "pane-broker reconciler", r->conf->statement_timeout_ms);
	do {
		if (!sealed && !db_ready(&db))
			sealed = seal_totp(r->seal, &db) >= 0;
		one_round(&db, r->conf, round++);
	} while (rest(r));
	db_fini(&db);
	return NULL;
}

struct reconciler *reconciler_start(const struct broker_conf *c, const struct seal *seal,
				    struct err *e)
{
	struct reconciler *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	r->conf = c;
	r->seal = seal;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&r->thread, NULL, run, r)) {
		free(r);
		err_set(e, -EAGAIN, "cannot start the reconciler's thread");
		return NULL;
	}
	return r;
}

void reconciler_poke(struct reconciler *r)
{
	pthread_mutex_lock(&r->lock);
	r->poked = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void reconciler_stop(struct reconciler *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	free(r);
}
