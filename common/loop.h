/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An event loop: level-triggered epoll, timers on CLOCK_MONOTONIC, signals by signalfd, and a
 * wake-up other threads may use. One loop belongs to one thread; only loop_post() may be called
 * from others. A handler may delete any source, its own included: sources freed during a
 * dispatch round are released when the round is over.
 */
#ifndef PANE_COMMON_LOOP_H
#define PANE_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct loop;
struct loop_io;	   /* one watched descriptor; the descriptor stays the caller's */
struct loop_timer; /* one-shot; re-arm in the handler to repeat */

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_HUP = 4 /* reported, never asked for */
};

typedef void (*loop_io_fn)(void *arg, int fd, unsigned events);
typedef void (*loop_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, int signo);

struct loop *loop_new(void);
void loop_free(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop(); 0 or negative errno */
void loop_stop(struct loop *l);

struct loop_io *loop_io_add(struct loop *l, int fd, unsigned events, loop_io_fn fn, void *arg);
void loop_io_set(struct loop_io *io, unsigned events);
void loop_io_del(struct loop_io *io); /* NULL is fine; call before closing the descriptor */

struct loop_timer *loop_timer_add(struct loop *l, int64_t delay_ms, loop_fn fn, void *arg);
void loop_timer_set(struct loop_timer *t, int64_t delay_ms); /* negative disarms */
void loop_timer_del(struct loop_timer *t);		     /* NULL is fine */

/* Blocks signo in the calling thread and delivers it to fn; call before other threads start. */
int loop_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg) must_check;

/* Runs fn(arg) before each wait for events: for a library that keeps events of its own, which no
 * descriptor shows (xcb's queue). One per loop; NULL ends it. */
void loop_before_wait(struct loop *l, loop_fn fn, void *arg);

/* Runs fn(arg) in the loop's thread soon; callable from any thread. */
int loop_post(struct loop *l, loop_fn fn, void *arg) must_check;

int64_t clock_ms(void);	     /* CLOCK_MONOTONIC */
int64_t clock_ns(void);	     /* CLOCK_MONOTONIC */
int64_t clock_wall_ms(void); /* CLOCK_REALTIME, for display and certificates only */

#endif
