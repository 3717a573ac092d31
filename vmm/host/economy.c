/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See economy.h. One look: what the kernel has left; is that enough, and no balloon filled, that is
 * all. Else every running virtual machine is asked how its balloon is (the answer is there at the
 * next look), and balloon.c decides on what is known. Somebody who connects does not wait for a
 * look: host_economy_wake() lets go at once.
 */
#include "vmm/host/economy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "common/log.h"
#include "vmm/host/agent.h"
#include "vmm/host/balloon.h"

#define CALM_MS	  5000
#define SHORT_MS  1000 /* while something is to be done */
#define BUSY_PART 20   /* a desktop that uses a twentieth of a processor is at work */

struct host_economy {
	struct host_agent *agent; /* borrowed */
	struct loop_timer *timer; /* owned */
	bool was_short;
};

int64_t host_economy_own_mib(const char *status)
{
	static const char *const own[] = {"\nRssAnon:", "\nRssShmem:"};
	int64_t kib = 0;

	for (size_t i = 0; i < 2; i++) {
		const char *at = strstr(status, own[i]);

		kib += at ? strtoll(at + strlen(own[i]), NULL, 10) : 0;
	}
	return kib / 1024;
}

/* [proc(5), /proc/pid/stat]: the name in parentheses may have any of them in it. */
int64_t host_economy_ticks(const char *stat)
{
	const char *at = strrchr(stat, ')');
	int64_t user, system;

	if (!at ||
	    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64,
		   &user, &system) != 2)
		return -1;
	return user + system;
}

static char *proc_text(pid_t pid, const char *name)
{
	char path[64], *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return file_read(path, 65536, &text, &len, NULL) == 0 ? text : NULL;
}

/* ---- what is promised ---- */

int host_economy_overcommit(const struct host_agent *a)
{
	int most = 100;

	for (const struct host_desktop *d = a->desktops; d; d = d->next)
		if (d->rec.order.share.overcommit > most)
			most = d->rec.order.share.overcommit;
	return most;
}

void host_economy_measure(struct host_agent *a)
{
	int64_t promised = host_parents_memory_mib(a->parents), starting = promised;

	for (const struct host_desktop *d = a->desktops; d; d = d->next) {
		if (!d->machine)
			continue;
		promised += d->rec.order.memory_mib;
		if (!d->rec.ready)
			starting += d->rec.order.memory_mib;
	}
	host_capacity_measure(a->config, promised, starting, &a->capacity);
}

/* ---- balloons ---- */

static bool has_balloon(const struct host_desktop *d)
{
	return d->machine && d->rec.ready && d->stopping == HOST_RUNS &&
	       d->rec.order.isolation == HOST_VM;
}

/* A tenth of the machine's memory where nothing is said. */
static int64_t low_mark(const struct host_config *c, int64_t total_mib)
{
	return c->balloon_below_mib < 0 ? total_mib / 10 : c->balloon_below_mib;
}

static bool host_left(const struct host_config *c, struct host_balloon_host *out)
{
	cleanup_free char *text = NULL;
	int64_t total = 0;
	size_t len;

	if (file_read("/proc/meminfo", 65536, &text, &len, NULL) < 0 ||
	    host_meminfo(text, &total, &out->available) < 0)
		return false;
	out->low = low_mark(c, total);
	out->high = out->low + out->low / 2;
	return true;
}

static void look_work(struct host_desktop *d, int64_t now)
{
	cleanup_free char *stat = proc_text(host_machine_proc(d->machine)->pid, "stat");
	struct host_economy_of *of = &d->economy;
	int64_t ticks = stat ? host_economy_ticks(stat) : -1, ms = now - of->ticks_ms;

	if (ticks >= 0 && of->ticks_ms && ms < SHORT_MS / 2)
		return; /* too soon to tell */
	of->working = ticks < 0 || !of->ticks_ms ||
		      (ticks - of->ticks) * 1000 * BUSY_PART > ms * sysconf(_SC_CLK_TCK);
	of->ticks = ticks;
	of->ticks_ms = ticks < 0 ? 0 : now;
}

static bool is_idle(struct host_desktop *d, int64_t now)
{
	const struct host_agent *a = d->agent;
	struct host_economy_of *of = &d->economy;

	if (a->door && host_door_count(a->door, d->rec.order.id))
		of->seen_ms = now;
	return !of->working && now - (of->seen_ms > d->ready_ms ? of->seen_ms : d->ready_ms) >=
				       a->config->balloon_idle_s * INT64_C(1000);
}

static void look(struct host_desktop *d, int64_t now, struct host_balloon_guest *g)
{
	cleanup_free char *status = proc_text(host_machine_proc(d->machine)->pid, "status");
	struct host_balloon_status s = {.free = -1};
	bool known = host_machine_balloon(d->machine, &s);

	look_work(d, now);
	if (known && !d->economy.told) { /* of before this agent, or of before it was suspended */
		d->economy.told = true;
		d->economy.target_mib = s.target;
	}
	*g = (struct host_balloon_guest){.idle = is_idle(d, now),
					 .driver = known && s.driver,
					 .memory = d->rec.order.memory_mib,
					 .held = status ? host_economy_own_mib(status) : 0,
					 .target = d->economy.target_mib,
					 .actual = s.actual,
					 .free = s.free};
}

static void tell(struct host_desktop *d, int64_t mib)
{
	log_info("desktop.balloon", "desktop=%s mib=%" PRId64 " had=%" PRId64, d->rec.order.id, mib,
		 d->economy.target_mib);
	d->economy.told = host_machine_balloon_order(d->machine, mib) == 0;
	if (d->economy.told)
		d->economy.target_mib = mib;
}

static void look_at_all(struct host_agent *a, const struct host_balloon_host *h, int64_t now)
{
	struct host_balloon_guest *v = calloc(a->n_desktops + 1, sizeof(*v));
	size_t n = 0;

	for (struct host_desktop *d = a->desktops; v && d && n < a->n_desktops; d = d->next)
		if (has_balloon(d))
			look(d, now, &v[n++]);
	if (v)
		host_balloon_decide(h, v, n);
	n = 0;
	for (struct host_desktop *d = a->desktops; v && d; d = d->next) {
		if (!has_balloon(d))
			continue;
		if (v[n].want != d->economy.target_mib && d->economy.told)
			tell(d, v[n].want);
		else if (host_machine_balloon_order(d->machine, -1) < 0)
			d->economy.told = false; /* not reached: nothing is known of it */
		n++;
	}
	free(v);
}

/* Balloons that are filled, or may be: until all are known to be empty it goes on. */
static bool any_filled(const struct host_agent *a)
{
	for (const struct host_desktop *d = a->desktops; d; d = d->next)
		if (has_balloon(d) && (!d->economy.told || d->economy.target_mib))
			return true;
	return false;
}

static void on_timer(void *arg)
{
	struct host_economy *e = arg;
	struct host_agent *a = e->agent;
	struct host_balloon_host h;
	bool is_short, work = false;

	if (a->config->balloon_below_mib && !a->draining && host_left(a->config, &h)) {
		is_short = h.available < h.low;
		if (is_short != e->was_short)
			log_info("host.memory",
				 "short=%s available_mib=%" PRId64 " below_mib=%" PRId64,
				 is_short ? "yes" : "no", h.available, h.low);
		e->was_short = is_short;
		work = is_short || any_filled(a);
		if (work)
			look_at_all(a, &h, clock_ms());
	}
	loop_timer_set(e->timer, work ? SHORT_MS : CALM_MS);
}

void host_economy_wake(struct host_desktop *d)
{
	d->economy.seen_ms = clock_ms();
	if (has_balloon(d) && (!d->economy.told || d->economy.target_mib))
		tell(d, 0);
}

void host_economy_begin(struct host_desktop *d)
{
	d->economy = (struct host_economy_of){0};
}

struct host_economy *host_economy_new(struct host_agent *a)
{
	struct host_economy *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->agent = a;
	e->timer = loop_timer_add(a->loop, SHORT_MS, on_timer, e);
	if (!e->timer) {
		free(e);
		return NULL;
	}
	return e;
}

void host_economy_free(struct host_economy *e)
{
	if (!e)
		return;
	loop_timer_del(e->timer);
	free(e);
}
