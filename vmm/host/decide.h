/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decision: what to do next for one desktop, from what is wanted and what is so. Pure functions
 * of their arguments (no clock, no files), called after every change; the agent carries the step
 * out and asks again. All times are clock_ms().
 */
#ifndef PANE_HOST_DECIDE_H
#define PANE_HOST_DECIDE_H

#include <stdbool.h>
#include <stdint.h>
#include "vmm/host/orders.h"

enum host_state {
	HOST_CLONING, /* wanted, nothing runs yet */
	HOST_BOOTING,
	HOST_READY,
	HOST_STOPPED,
	HOST_SUSPENDED, /* nothing runs; it goes on where it was */
	HOST_FAILED,	/* the order cannot be carried out; the reason says why */
	HOST_ABSENT,
};

/* How far a stop has come; each stage has a deadline after which the next is taken. */
enum host_stopping {
	HOST_RUNS,
	HOST_SUSPENDING /* its memory is being saved */,
	HOST_ASKED /* power button */,
	HOST_QUITTING,
	HOST_KILLED
};

struct host_view {
	enum host_want want;
	bool files;	 /* its directory exists */
	bool process;	 /* its machine runs */
	bool other_home; /* and was started with other files than the order's */
	bool ready;	 /* and somebody can have worked on it */
	bool saved;	 /* no process, but its memory is on disk */
	enum host_stopping stopping;
	int64_t stage_ms;   /* when the current stage of stopping is over */
	int64_t retry_ms;   /* no start before this time */
	int64_t suspend_ms; /* no attempt to save its memory before this time */
};

enum host_step {
	HOST_STEP_NONE,
	HOST_STEP_WAIT, /* until *wake_ms */
	HOST_STEP_START,
	HOST_STEP_SUSPEND,
	HOST_STEP_POWERDOWN,
	HOST_STEP_QUIT,
	HOST_STEP_KILL,
	HOST_STEP_FORGET, /* the saved memory */
	HOST_STEP_DELETE,
};

enum host_step host_decide(const struct host_view *v, int64_t now_ms, int64_t *wake_ms);

/* How a machine ended. */
enum host_end {
	HOST_END_POWEROFF,
	HOST_END_LOGOUT, /* a container's session ended by itself */
	HOST_END_QUIT,
	HOST_END_RESET,
	HOST_END_PANIC,
	HOST_END_SIGNAL, /* detail: the signal, 0 when unknown */
	HOST_END_ERROR,	 /* detail: the exit code */
};

struct host_ended {
	enum host_end how;
	int detail;
	const char *program; /* static; NULL = pane-vmm */
	char why[120];	     /* from its state file or log, "" when it said nothing */
};

#define HOST_RAPID_MS	    60000 /* a machine that ran longer than this did not fail rapidly */
#define HOST_BACKOFF_MAX_MS 60000

struct host_verdict {
	unsigned fails;	  /* rapid failures in a row, this one included */
	int64_t delay_ms; /* until the next start, should it be wanted */
	char reason[200];
};

/* fails: rapid failures in a row before; ran_ms: how long it was ready (0 = never was).
 * asked: the agent itself was stopping it. */
void host_verdict(const struct host_ended *end, unsigned fails, int64_t ran_ms, bool asked,
		  struct host_verdict *out);
const char *host_state_name(enum host_state s);

#endif
