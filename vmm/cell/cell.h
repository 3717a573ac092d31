/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One desktop from start to end: takes its place, builds tree, limits and sandbox, watches the X
 * agent and the session, and knows how it ended. Privileged, single-threaded; reads nothing from
 * inside but exit statuses.
 */
#ifndef PANE_CELL_CELL_H
#define PANE_CELL_CELL_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct cell;
struct cell_options;
struct loop;

enum cell_end {
	CELL_RUNNING,
	CELL_LOGOUT,
	CELL_POWEROFF,
	CELL_QUIT,
	CELL_CRASH, /* X server or session; detail says which */
	CELL_ERROR  /* did not come up; detail says why */
};

struct cell_status {
	bool ready, surface;
	int64_t ready_ms, uptime_ms;
	const char *limits, *net;
	bool io_limit; /* the ceilings asked for are in force */
};

struct cell_events {
	void (*ready)(void *arg);
	void (*ended)(void *arg); /* once; cell_how() tells */
	void *arg;
};

/* o is borrowed as long as the cell lives. NULL with *e. */
struct cell *cell_new(struct loop *l, const struct cell_options *o, const struct cell_events *ev,
		      struct err *e) must_check;
void cell_powerdown(struct cell *c); /* ask the session to end */
void cell_quit(struct cell *c);	     /* end it at once */
void cell_get_status(const struct cell *c, struct cell_status *out);
enum cell_end cell_how(const struct cell *c, const char **detail);
/* Ends everything that still runs, unmounts, removes what it made. NULL is fine. */
void cell_free(struct cell *c);
/* Removes what a killed pane-cell left under that key; -EBUSY while one runs. */
int cell_cleanup(const char *key, bool rootless, struct err *e) must_check;

#endif
