/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One desktop of this host: what was ordered, what is so, and its directory. What must outlive the
 * agent is in state.json there, written before it is relied upon.
 */
#ifndef PANE_HOST_DESKTOP_H
#define PANE_HOST_DESKTOP_H

#include <jansson.h>
#include <limits.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/decide.h"
#include "vmm/host/display_proc.h"
#include "vmm/host/economy.h"
#include "vmm/host/machine.h"
#include "vmm/host/orders.h"
#include "vmm/host/parents.h"

/* What state.json holds. */
struct host_record {
	struct host_order order;
	char version[HOST_VERSION_MAX]; /* of the image its disk was cloned from; "" before */
	char parent[HOST_PARENT_MAX]; /* what lies under its disk besides the image; "" = nothing */
	char boot[40];		      /* boot id that the pids below belong to */
	char ran_home[HOST_UUID];     /* the home its machine was started with */
	bool reset_due;		      /* its session has ended: the next start is a fresh one */
	pid_t vmm_pid, display_pid;   /* vmm: the process of its machine, of any driver */
	uint64_t vmm_started, display_started;
	bool ready;
	unsigned fails;
	unsigned address; /* a container's number in the bridge's subnet, 0 = none yet */
	char reason[200];
};

struct host_desktop {
	struct host_agent *agent; /* borrowed */
	struct host_desktop *next;
	struct host_record rec;
	enum host_state state;
	int64_t state_ms;	      /* clock_ms() of its last change */
	int64_t started_ms, ready_ms; /* of the running machine; 0 = not */
	int64_t problem_ms;	      /* when it last told of a problem; 0 = never */
	char note[200]; /* what is to be known of the running machine's first boot; "" = nothing */
	bool files;	/* its directory exists */
	char why[200];	/* how the last machine ended; shown while the next one boots */
	bool clone;	/* its machine began as a clone of rec.parent */
	bool cold;	/* a clone of it failed: boot it */
	bool resuming;	/* its machine began with its saved memory */
	bool adopted;	/* its machine is one that an earlier agent started */
	bool kept;	/* its memory is written, its machine about to end */
	enum host_stopping stopping;
	int64_t stage_ms, retry_ms, suspend_ms;
	int64_t turn_ms; /* since when it waits for its turn to start (turn.h); 0 = it does not */
	struct host_machine *machine;	  /* owned; NULL = none runs */
	const struct host_driver *driver; /* of the machine; borrowed, static */
	struct host_display *display;	  /* owned; NULL until first needed */
	struct host_economy_of economy;
	json_t *answers; /* owned; of its user to messages that ask, as reported; NULL = none */
	struct loop_timer *timer; /* owned; the agent's next look at it */
	char dir[PATH_MAX], run[128];
};

int host_record_parse(json_t *o, struct host_record *r, struct err *e) must_check;
json_t *host_record_json(const struct host_record *r) must_check;

int host_desktop_paths(const struct host_config *c, struct host_desktop *d) must_check;
/* Makes its two directories. */
int host_desktop_make(struct host_desktop *d, struct err *e) must_check;
int host_desktop_load(struct host_desktop *d, struct err *e) must_check;
int host_desktop_save(struct host_desktop *d, struct err *e) must_check;
/* Deletes both directories and everything in them. */
int host_desktop_delete(const struct host_config *c, struct host_desktop *d,
			struct err *e) must_check;
/* Keeps NAME in its directory below max bytes: what is over moves to NAME.1. */
void host_desktop_bound_log(const struct host_desktop *d, const char *name, int64_t max);

/* What its user answered to a message that asks; true when that is news. */
bool host_desktop_answer(struct host_desktop *d, const char *id, bool yes) must_check;
/* Those messages (NULL = none) are what is shown now: answers to others have been heard. */
void host_desktop_answers_keep(struct host_desktop *d, json_t *messages);

#endif
