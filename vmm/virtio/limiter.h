/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A token bucket for requests and bytes, kept as times instead of tokens: of each kind the moment
 * at which what was let through so far is paid for. A request is let through when nothing is owed,
 * and may then cost more than was saved: so nothing needs to be known of it before, and one that is
 * larger than the bucket passes, too. At most burst_ms of doing nothing can be saved.
 *
 * The owner's lock guards it. When a request has to wait, `resume` is called in the main loop once
 * something may go on; arming that is a system call any thread may make.
 */
#ifndef PANE_VMM_VIRTIO_LIMITER_H
#define PANE_VMM_VIRTIO_LIMITER_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define LIMIT_BURST_MS	   100 /* where none is named */
#define LIMIT_BURST_MS_MAX 60000
#define LIMIT_RATE_MAX	   1000000000000ull /* a second */

struct loop;
struct loop_io;

struct limit {
	uint64_t bytes_per_s, ops_per_s; /* 0: as many as there are */
	uint32_t burst_ms;		 /* 0: LIMIT_BURST_MS */
};

struct limiter {
	struct limit limit;
	int64_t bytes_paid_ns, ops_paid_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t passed;	    /* bytes let through since the start */
	int fd;				    /* timerfd, owned */
	struct loop_io *io;		    /* owned */
	void (*resume)(void *arg);
	void *arg; /* borrowed */
};

/* Without a limit yet; 0 or negative errno. */
int limiter_init(struct limiter *l, struct loop *loop, void (*resume)(void *arg),
		 void *arg) must_check;
void limiter_fini(struct limiter *l);
/* From now on; whoever waited is resumed at once. */
void limiter_set(struct limiter *l, const struct limit *limit);
/* Whether a request may begin. When not, resume will be called. */
bool limiter_ready(struct limiter *l) must_check;
void limiter_charge(struct limiter *l, uint64_t bytes);
/* Any thread: bytes charged so far, whether there was a limit or not. */
uint64_t limiter_passed(const struct limiter *l);

/* The same with the time given: nanoseconds to wait, 0: none. */
int64_t limiter_wait_ns(const struct limiter *l, int64_t now_ns) must_check;
void limiter_charge_at(struct limiter *l, uint64_t bytes, int64_t now_ns);
/* Whether the numbers are within the above. */
bool limit_ok(const struct limit *limit) must_check;

#endif
