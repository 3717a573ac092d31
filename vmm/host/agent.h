/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The agent: all desktops of this host, the broker's orders for them, and what is reported back.
 * One loop, one thread, plus the blocking worker of sync.h.
 */
#ifndef PANE_HOST_AGENT_H
#define PANE_HOST_AGENT_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "vmm/host/capacity.h"
#include "vmm/host/config.h"
#include "vmm/host/courier.h"
#include "vmm/host/desktop.h"
#include "vmm/host/door.h"
#include "vmm/host/economy.h"
#include "vmm/host/enroll.h"
#include "vmm/host/metrics.h"
#include "vmm/host/orders.h"
#include "vmm/host/parents.h"
#include "vmm/host/pictures.h"
#include "vmm/host/pull.h"
#include "vmm/host/recordings.h"
#include "vmm/host/sync.h"
#include "vmm/host/usage.h"

struct host_agent {
	struct loop *loop;		  /* borrowed */
	const struct host_config *config; /* borrowed */
	struct host_identity identity;
	struct host_capacity capacity;
	struct host_desktop *desktops; /* owned list */
	unsigned n_desktops;
	struct host_sync *sync;		    /* owned; NULL while draining */
	struct host_door *door;		    /* owned; the same */
	struct host_pull *pull;		    /* owned; the same */
	struct host_parents *parents;	    /* owned; the same */
	struct host_pictures *pictures;	    /* owned; the same */
	struct host_recordings *recordings; /* owned; the same */
	struct host_courier *courier;	    /* owned; the same */
	struct host_metrics *metrics;	    /* owned; the same */
	struct host_counts counts;
	int64_t begun_ms; /* clock_ms() of this agent's start */
	bool recordings_told,
		telling;       /* the broker knows what there is; will, if this report arrives */
	int64_t recordings_ms; /* when it was told last */
	struct loop_timer *report;    /* owned: when the next report goes out */
	struct loop_timer *tick;      /* owned */
	struct host_usage *usage;     /* owned; the same */
	struct host_economy *economy; /* owned; the same */
	json_t *used;		      /* owned: what is to be reported of it; or NULL */
	int64_t used_ms;	      /* when that was looked at */
	int64_t asked_ms;	      /* when machines were asked of their network for the next */
	json_t *customizations; /* owned: of first boots, by the name orders give them; or NULL */
	int64_t generation;
	char run[ID_LEN + 1]; /* this agent process, as its reports call it */
	int64_t reports;      /* made so far */
	int64_t clock_ms;     /* broker's clock less clock_ms(), once synced */
	bool ask_clock;	      /* the next report is to be answered at once */
	int64_t doubt_ms;     /* when that was last asked for */
	int64_t sent_ms;      /* when the running or last sync began */
	int64_t backoff_ms;
	bool synced;   /* orders of this run have come: starts are allowed */
	bool dirty;    /* something changed since the last report was made */
	bool draining; /* stop everything, then stop the loop */
	int lock;      /* owned: one agent a state directory */
	struct log_bucket quota;
};

/* Takes up what an earlier agent left running. exclusive: locks the state directory; without,
 * nothing but looking is allowed. */
int host_agent_init(struct host_agent *a, struct loop *l, const struct host_config *c,
		    bool exclusive, struct err *e) must_check;
/* Opens the door and starts talking to the broker. */
int host_agent_start(struct host_agent *a, struct err *e) must_check;
/* Stops every desktop (its order stays what it was), then stops the loop. */
void host_agent_drain(struct host_agent *a);
/* Desktops and displays go on running. */
void host_agent_fini(struct host_agent *a);

/* Between agent.c and reconcile.c. */
struct host_desktop *host_agent_find(struct host_agent *a, const char *id);
void host_agent_changed(struct host_agent *a);	/* report soon */
int64_t host_agent_now_s(struct host_agent *a); /* the broker's clock */

/* Brings one desktop nearer to its order; see reconcile.c. */
void host_reconcile(struct host_desktop *d);
int host_reconcile_adopt(struct host_desktop *d) must_check;
struct host_display *host_reconcile_display(struct host_desktop *d, struct err *e) must_check;
void host_desktop_free(struct host_desktop *d);

#endif
