/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a host agent tells Prometheus: what it counts since it began, and what is so when asked.
 * Where it tells is its configuration's metrics_listen. Loop's thread.
 */
#ifndef PANE_HOST_METRICS_H
#define PANE_HOST_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/metrics.h"
#include "vmm/host/decide.h"

struct host_agent;
struct host_desktop;
struct host_metrics;

/* How a desktop began. */
enum host_way {
	HOST_WAY_BOOT,
	HOST_WAY_CLONE,
	HOST_WAY_RESUME,
	HOST_WAY_CONTAINER,
	HOST_WAYS
};

enum host_sync_result {
	HOST_SYNC_OK,
	HOST_SYNC_FAILED,
	HOST_SYNC_CANCELLED, /* by ourselves, for there was news to report */
	HOST_SYNC_RESULTS
};

/* In struct host_agent; all 0 at first. */
struct host_counts {
	uint64_t syncs[HOST_SYNC_RESULTS];
	int64_t synced_ms;			 /* clock_ms() of the last answer; 0: none yet */
	uint64_t refused;			 /* starts that could not be */
	uint64_t ends[2][HOST_END_ERROR + 1][2]; /* by kind, how, and whether it was wanted */
	struct metrics_histogram starts[HOST_WAYS];
};

void host_count_sync(struct host_agent *a, enum host_sync_result r);
/* Its machine is ready for the first time since it was started here. */
void host_count_start(struct host_desktop *d);
void host_count_end(struct host_desktop *d, const struct host_ended *end, bool wanted);

/* NULL with *e. */
struct host_metrics *host_metrics_new(struct host_agent *a, struct err *e) must_check;
void host_metrics_free(struct host_metrics *h); /* NULL is fine */
void host_metrics_write(struct host_agent *a, struct metrics *m);

#endif
