/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker pool: a bounded queue of requests, threads with one database connection each, and the
 * held requests (long polls, connections waiting for their desktop). A held request occupies no
 * thread: work_wake() or the next recheck puts it back into the queue.
 */
#ifndef PANE_BROKER_WORK_H
#define PANE_BROKER_WORK_H

#include "broker/req.h"
#include "common/cleanup.h"

struct work;

/* Runs one attempt on a worker's connection. */
typedef enum req_step (*work_fn)(void *arg, struct db *db, struct req *r);
/* The request is answered; called on a worker thread. */
typedef void (*work_done_fn)(struct req *r);

struct work_params {
	int threads, max_waiting;
	const char *conninfo; /* borrowed for the pool's life */
	int statement_timeout_ms;
	work_fn run;
	work_done_fn done;
	void *arg;
};

struct work *work_new(const struct work_params *p, struct err *e) must_check;
/* Answers everything still queued or held with 503 and joins the threads. */
void work_stop(struct work *w);
void work_free(struct work *w);
int work_submit(struct work *w, struct req *r) must_check; /* -EBUSY when full */
/* Back into the queue: every request held under key, or (one) the longest held. */
void work_wake(struct work *w, const char *key);
void work_wake_one(struct work *w, const char *key);
/* Requests held under key other than r end now: a newer one speaks for their peer. */
void work_supersede(struct work *w, const char *key, const struct req *r);
/* Once a second or so: requeues what is due for a recheck, expired, or whose peer is gone. */
void work_tick(struct work *w);

#endif
