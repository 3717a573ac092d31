/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See turn.h.
 */
#include "vmm/host/turn.h"

#include <stdio.h>

#define PER_CPU	 2
#define AT_LEAST 4

int host_turn_limit(int setting, int cpus)
{
	if (setting > 0)
		return setting;
	return cpus * PER_CPU > AT_LEAST ? cpus * PER_CPU : AT_LEAST;
}

static bool starts(const struct host_desktop *o, int64_t now_ms)
{
	return o->machine && !o->ready_ms && o->stopping == HOST_RUNS &&
	       now_ms - o->started_ms < HOST_TURN_MS;
}

static bool waits(const struct host_desktop *o)
{
	return o->turn_ms && !o->machine && o->rec.order.want == HOST_WANT_RUNNING;
}

/* A home is known once somebody has the desktop. */
static bool before(const struct host_desktop *o, const struct host_desktop *d)
{
	bool his = o->rec.order.home[0] != 0, mine = d->rec.order.home[0] != 0;

	if (his != mine)
		return his;
	return o->turn_ms < d->turn_ms || (o->turn_ms == d->turn_ms && o < d);
}

void host_turn_count(const struct host_desktop *all, int64_t now_ms, int *starting, int *waiting)
{
	*starting = *waiting = 0;
	for (const struct host_desktop *o = all; o; o = o->next) {
		*starting += starts(o, now_ms);
		*waiting += waits(o);
	}
}

bool host_turn_waits(const struct host_desktop *all, struct host_desktop *d, int limit,
		     int64_t now_ms, char *why, size_t n)
{
	int starting = 0, ahead = 0;

	if (!d->turn_ms)
		d->turn_ms = now_ms;
	for (const struct host_desktop *o = all; o; o = o->next) {
		if (o == d)
			continue;
		starting += starts(o, now_ms);
		ahead += waits(o) && before(o, d);
	}
	if (starting + ahead < limit) {
		d->turn_ms = 0;
		return false;
	}
	snprintf(why, n,
		 "waiting for its turn: %d of at most %d desktops start on this host, %d wait "
		 "before it",
		 starting, limit, ahead);
	return true;
}
