/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Carries out, for one desktop, the steps that decide.c chooses, and takes in what happens to it.
 * Every event (an order, ready, an end, a timer) ends in host_reconcile(); nothing else starts,
 * stops or deletes. The record is on disk before a process may run (driver `starting`), so that no
 * machine is ever unknown to the next agent: two on one overlay would destroy it. Loop's thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/utf8.h"
#include "vmm/host/agent.h"
#include "vmm/host/cell_net.h"
#include "vmm/host/firstboot.h"
#include "vmm/host/home.h"
#include "vmm/host/suspend.h"
#include "vmm/host/turn.h"
#include "vmm/host/vmm_driver.h"

#define REFUSED_RETRY_MS 5000
#define HOME_RETRY_MS	 100
#define USER_FIRST_MS	 10000 /* a desktop that takes longer has no claim any more */
#define QUIT_MS		 15000 /* for flushing the disk */
#define KILL_MS		 5000
#define SUSPEND_MS	 300000 /* for writing its memory */
#define SUSPEND_RETRY_MS 60000
#define STEPS_MOST	 4 /* steps in one go; each changes what is decided upon */

static void desktop_save(struct host_desktop *d)
{
	struct err e = {0};

	if (d->files && host_desktop_save(d, &e) < 0)
		log_err("desktop.save", "desktop=%s error=%s", d->rec.order.id, LOG_Q(e.msg));
}

static void desktop_state(struct host_desktop *d, enum host_state s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void desktop_state(struct host_desktop *d, enum host_state s, const char *fmt, ...)
{
	char reason[sizeof(d->rec.reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (s == d->state && strcmp(reason, d->rec.reason) == 0)
		return;
	if (s != d->state)
		d->state_ms = clock_ms();
	d->state = s;
	memcpy(d->rec.reason, reason, sizeof(reason));
	log_info("desktop.state", "desktop=%s name=%s epoch=%" PRId64 " state=%s reason=%s",
		 d->rec.order.id, d->rec.order.name, d->rec.order.epoch, host_state_name(s),
		 LOG_Q(reason));
	host_agent_changed(d->agent);
}

/* ---- what happens to it ---- */

static int on_starting(void *arg, const struct host_proc *p)
{
	struct host_desktop *d = arg;
	int r;

	d->rec.vmm_pid = p->pid;
	d->rec.vmm_started = p->started;
	memcpy(d->rec.ran_home, d->rec.order.home, HOST_UUID);
	if (d->resuming && (r = host_suspend_use(d->dir)) < 0)
		return r;
	return host_desktop_save(d, NULL);
}

static void on_ready(void *arg)
{
	struct host_desktop *d = arg;

	d->rec.ready = true;
	d->rec.reset_due = false;
	if (!d->ready_ms && !d->adopted)
		host_count_start(d);
	if (!d->ready_ms)
		d->ready_ms = clock_ms();
	if (d->stopping == HOST_RUNS) {
		host_suspend_tidy(d->dir); /* it has it all mapped */
		desktop_state(d, HOST_READY, "%s", d->note[0] ? d->note : d->rec.reason);
	}
	desktop_save(d);
}

static void on_problem(void *arg, const char *what)
{
	struct host_desktop *d = arg;

	d->problem_ms = clock_ms();
	if (d->state == HOST_READY || d->state == HOST_BOOTING)
		desktop_state(d, d->state, "%s", what);
}

static void on_note(void *arg, const char *what)
{
	struct host_desktop *d = arg;

	snprintf(d->note, sizeof(d->note), "%s", what);
	if (d->state == HOST_READY || d->state == HOST_BOOTING)
		desktop_state(d, d->state, "%s", what);
}

static void machine_gone(struct host_desktop *d)
{
	d->note[0] = 0;
	d->rec.vmm_pid = 0;
	d->rec.vmm_started = 0;
	d->rec.ready = false;
	d->started_ms = d->ready_ms = d->problem_ms = 0;
	d->stopping = HOST_RUNS;
}

static bool other_home(const struct host_desktop *d)
{
	return strcmp(d->rec.ran_home, d->rec.order.home) != 0;
}

static void suspend_failed(struct host_desktop *d, const char *why)
{
	d->stopping = HOST_RUNS;
	d->suspend_ms = d->problem_ms = clock_ms();
	d->suspend_ms += SUSPEND_RETRY_MS;
	host_suspend_tidy(d->dir);
	desktop_state(d, HOST_READY, "cannot be suspended: %s", why);
}

/* Its memory is on disk, or why not: then it runs on. */
static void on_snapshot(void *arg, const char *error)
{
	struct host_desktop *d = arg;

	if (d->stopping != HOST_SUSPENDING)
		return;
	if (error) {
		host_machine_resume(d->machine);
		suspend_failed(d, error);
	} else {
		d->kept = true;
		d->stopping = HOST_QUITTING;
		d->stage_ms = clock_ms() + QUIT_MS;
		host_machine_quit(d->machine);
	}
	host_reconcile(d);
}

/* The machine whose memory was to be kept has ended. Killed, it may not have flushed its disk. */
static void suspend_ended(struct host_desktop *d, const struct host_ended *end)
{
	int r = d->kept && end->how == HOST_END_QUIT ? host_suspend_keep(d->dir) : -ECANCELED;

	d->kept = false;
	if (r == 0)
		return;
	host_suspend_forget(d->dir);
	desktop_state(d, HOST_STOPPED, "its memory could not be saved: %s",
		      r == -ECANCELED ? "pane-vmm ended before it was" : strerror(-r));
}

/* Saved memory that a machine cannot begin with is no loss but of what was in it: its disk was not
 * touched. */
static bool resume_failed(struct host_desktop *d, const struct host_ended *end)
{
	if (!d->resuming || d->rec.ready || end->how != HOST_END_ERROR)
		return false;
	host_suspend_forget(d->dir);
	snprintf(d->why, sizeof(d->why), "its saved memory could not be used (%s): started afresh",
		 end->why);
	return true;
}

/* After an end: what its reason, the count of failures and the wait before the next start are. */
static void take_verdict(struct host_desktop *d, const struct host_ended *end, bool asked)
{
	int64_t now = clock_ms(), ran = d->ready_ms ? now - d->ready_ms : 0;
	struct host_verdict v;

	host_verdict(end, d->rec.fails, ran, asked, &v);
	/* A session that ended, on whoever's wish, is over; a crash is not an end. */
	if (end->how == HOST_END_LOGOUT || end->how == HOST_END_POWEROFF ||
	    (end->how == HOST_END_QUIT && !other_home(d)))
		d->rec.reset_due = d->rec.order.reset;
	machine_gone(d);
	d->rec.fails = v.fails;
	d->retry_ms = now + v.delay_ms;
	memcpy(d->why, v.reason, sizeof(d->why));
	if (v.fails >= 3)
		desktop_state(d, HOST_FAILED, "%s; next try in %d s", v.reason,
			      (int)(v.delay_ms / 1000));
	else
		desktop_state(d, HOST_STOPPED, "%s", v.reason);
}

/* A clone that did not even begin says something about its parent, nothing about the desktop. */
static bool clone_failed(struct host_desktop *d, const struct host_ended *end)
{
	char path[PATH_MAX];

	if (!d->clone || d->rec.ready || end->how != HOST_END_ERROR)
		return false;
	host_parents_spoil(d->agent->parents, d->rec.parent, end->why);
	if (path_join(path, sizeof(path), d->dir, "disk.overlay") == 0)
		unlink(path);
	d->rec.parent[0] = 0;
	d->clone = false;
	d->cold = true;
	return true;
}

static void on_ended(void *arg, const struct host_ended *end)
{
	struct host_desktop *d = arg;
	bool asked = d->stopping != HOST_RUNS, kept = d->kept || d->stopping == HOST_SUSPENDING;

	host_machine_free(d->machine);
	d->machine = NULL;
	host_count_end(d, end, asked);
	if (!asked && (clone_failed(d, end) || resume_failed(d, end)))
		machine_gone(d); /* and at once once more, by booting */
	else
		take_verdict(d, end, asked);
	if (kept)
		suspend_ended(d, end);
	if (asked && d->display)
		host_display_stop(d->display);
	desktop_save(d);
	host_reconcile(d);
}

static int on_display(void *arg, const struct host_proc *p)
{
	struct host_desktop *d = arg;

	d->rec.display_pid = p->pid;
	d->rec.display_started = p->started;
	return host_desktop_save(d, NULL);
}

/* ---- steps ---- */

static void refuse(struct host_desktop *d, const struct err *e)
{
	d->agent->counts.refused++;
	d->retry_ms = clock_ms() + REFUSED_RETRY_MS;
	desktop_state(d, HOST_FAILED, "%s", e->msg);
}

static void machine_spec(struct host_desktop *d, struct host_machine_spec *s)
{
	*s = (struct host_machine_spec){
		.loop = d->agent->loop,
		.config = d->agent->config,
		.id = d->rec.order.id,
		.name = d->rec.order.name,
		.dir = d->dir,
		.run = d->run,
		.cpus = d->rec.order.cpus,
		.memory_mib = d->rec.order.memory_mib,
		.disk_mib = d->rec.order.disk_mib,
		.home = d->rec.order.home,
		.home_mib = d->rec.order.home_mib,
		.reset = d->rec.order.reset && d->rec.reset_due,
		.parent = d->rec.parent,
		.clone = d->clone,
		.sound = host_plays(d->rec.order.audio),
		.share = d->rec.order.share,
		.resume = d->resuming,
		.net = d->agent->capacity.net,
		.address = d->rec.address,
		.ev = {.starting = on_starting,
		       .ready = on_ready,
		       .problem = on_problem,
		       .note = on_note,
		       .snapshot = on_snapshot,
		       .ended = on_ended,
		       .arg = d},
	};
}

static bool has_disk(const struct host_desktop *d)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), d->dir, "disk.overlay") < 0 || access(path, F_OK) == 0;
}

/* Clone or boot: a desktop without a past begins as a clone where there is a parent for it. */
static void choose_start(struct host_desktop *d, const struct host_image *img)
{
	const struct host_order *o = &d->rec.order;
	char why[240] = "";

	d->clone = false;
	d->resuming = host_suspend_saved(d->dir);
	if (d->resuming && other_home(d)) {
		host_suspend_forget(d->dir);
		d->resuming = false;
	}
	if (d->resuming)
		log_info("desktop.resume", "desktop=%s", o->id);
	if (has_disk(d))
		return; /* what it has on it counts, and its parent stays under it */
	d->rec.parent[0] = 0;
	if (o->home[0] && o->home_mib)
		snprintf(why, sizeof(why), "it has a disk with its user's files");
	else if (img->seed)
		snprintf(why, sizeof(why), "image %s wants a seed", img->name);
	else if (d->cold)
		snprintf(why, sizeof(why), "its clone did not start");
	else
		d->clone = host_parents_find(d->agent->parents, img, o->cpus, o->memory_mib,
					     d->rec.parent, why, sizeof(why));
	if (d->clone)
		log_info("desktop.clone", "desktop=%s parent=%s", o->id, d->rec.parent);
	else
		log_info("desktop.boot", "desktop=%s why=%s", o->id, LOG_Q(why));
}

/* Everything that must hold before a machine is started; the reason is for a person. */
static int prepare(struct host_desktop *d, struct host_image *img, struct err *e)
{
	const char *version = d->rec.version[0] ? d->rec.version : d->rec.order.version;
	struct host_agent *a = d->agent;
	int r;

	host_economy_measure(a);
	if ((r = host_image_find(a->config, d->rec.order.image, version, img, e)) < 0 ||
	    (r = host_capacity_admit(&a->capacity, d->rec.order.isolation, d->rec.order.memory_mib,
				     d->rec.order.share.overcommit, e)) < 0)
		return r;
	if (d->rec.order.isolation == HOST_VM && (r = host_vmm_boots(img, HOST_FIRMWARE, e)) < 0)
		return r;
	if (d->rec.order.isolation == HOST_VM && d->rec.order.disk_mib > img->disk_mib)
		return err_set(e, -EOPNOTSUPP,
			       "wants a disk of %d MiB; image %s has %d MiB and cannot grow yet",
			       d->rec.order.disk_mib, img->name, img->disk_mib);
	if ((r = host_desktop_make(d, e)) < 0)
		return r;
	if (d->rec.order.isolation == HOST_VM && d->rec.order.home[0] &&
	    (r = host_home_make(a->config, d->rec.order.home, d->rec.order.home_mib, e)) < 0)
		return r;
	if (d->rec.order.isolation == HOST_VM && img->seed &&
	    (r = host_seed_make(a->config, d->dir, &d->rec.order, a->customizations, e)) < 0)
		return r;
	host_firstboot_unheard(&d->rec.order, img, a->customizations, d->note, sizeof(d->note));
	if (!d->rec.version[0])
		memcpy(d->rec.version, img->version, sizeof(d->rec.version));
	if (d->rec.order.isolation == HOST_VM)
		choose_start(d, img);
	return host_desktop_save(d, e);
}

/* One home, one machine: its file system must never be mounted twice. */
static bool home_busy(struct host_desktop *d)
{
	for (const struct host_desktop *o = d->agent->desktops; o; o = o->next) {
		if (o == d || !o->machine || !d->rec.order.home[0] ||
		    strcmp(o->rec.ran_home, d->rec.order.home) != 0)
			continue;
		d->retry_ms = clock_ms() + HOME_RETRY_MS;
		desktop_state(d, HOST_CLONING,
			      "waiting for desktop %s to let go of the user's files",
			      o->rec.order.name);
		return true;
	}
	return false;
}

/* Spares are made when there is time: somebody looks at the other's login, and on a busy host each
 * start makes the other longer. */
static bool user_first(struct host_desktop *d)
{
	if (d->rec.order.isolation != HOST_CONTAINER || d->rec.order.home[0])
		return false;
	for (const struct host_desktop *o = d->agent->desktops; o; o = o->next) {
		if (o == d || o->rec.order.isolation != HOST_CONTAINER || !o->rec.order.home[0] ||
		    o->rec.order.want != HOST_WANT_RUNNING || o->state == HOST_READY ||
		    o->state == HOST_FAILED || clock_ms() > o->state_ms + USER_FIRST_MS)
			continue;
		d->retry_ms = clock_ms() + HOME_RETRY_MS;
		desktop_state(d, HOST_CLONING, "waiting for desktop %s, which its user waits for",
			      o->rec.order.name);
		return true;
	}
	return false;
}

/* Its image is on the way: not a failure. */
static bool image_awaited(struct host_desktop *d)
{
	char why[sizeof(d->rec.reason)];
	struct host_image img;

	if (d->rec.version[0] || !d->rec.order.version[0] || !d->agent->pull ||
	    host_image_find(d->agent->config, d->rec.order.image, d->rec.order.version, &img,
			    NULL) == 0 ||
	    !host_pull_waits(d->agent->pull, d->rec.order.image, d->rec.order.version, why,
			     sizeof(why)))
		return false;
	d->retry_ms = clock_ms() + HOME_RETRY_MS;
	desktop_state(d, HOST_CLONING, "%s", why);
	return true;
}

static bool turn_awaited(struct host_desktop *d)
{
	struct host_agent *a = d->agent;
	char why[sizeof(d->rec.reason)];

	if (!host_turn_waits(a->desktops, d,
			     host_turn_limit(a->config->starts_at_once, a->capacity.cpus),
			     clock_ms(), why, sizeof(why)))
		return false;
	d->retry_ms = clock_ms() + HOME_RETRY_MS;
	desktop_state(d, HOST_CLONING, "%s", why);
	return true;
}

/* The lowest number that no other desktop here has; kept until the desktop is deleted. */
static void take_address(struct host_desktop *d)
{
	unsigned n = HOST_ADDRESS_MIN;
	const struct host_desktop *o = d->agent->desktops;

	while (o && !d->rec.address) {
		bool taken = o->rec.address == n;

		n += taken;
		o = taken ? d->agent->desktops : o->next;
	}
	if (!d->rec.address)
		d->rec.address = n;
}

static void step_start(struct host_desktop *d)
{
	struct host_machine_spec s;
	struct host_image img;
	struct err e = {0};

	if (home_busy(d) || image_awaited(d) || user_first(d) || turn_awaited(d))
		return;
	d->driver = host_driver_of(d->rec.order.isolation);
	take_address(d);

	int r = prepare(d, &img, &e);

	if (r == 0) {
		machine_spec(d, &s);
		s.image = &img;
		r = host_machine_start(d->driver, &s, &d->machine, &e);
	}
	if (r < 0) {
		d->machine = NULL;
		machine_gone(d);
		refuse(d, &e);
		return;
	}
	d->stopping = HOST_RUNS;
	d->adopted = false;
	host_economy_begin(d);
	d->started_ms = clock_ms();
	/* What led to this start stays in sight while it boots. */
	if (d->resuming)
		desktop_state(d, HOST_BOOTING, "%s", "resuming from its saved memory");
	else if (!d->why[0] || strncmp(d->why, "guest rebooted", 14) == 0 ||
		 strstr(d->why, "afresh"))
		desktop_state(d, HOST_BOOTING, "%s", d->why);
	else
		desktop_state(d, HOST_BOOTING, "%.180s; restarted", d->why);
	d->why[0] = 0;
	desktop_save(d);
}

static void step_stop(struct host_desktop *d, enum host_stopping stage, int64_t limit_ms)
{
	static const char *const words[] = {"", "suspend", "powerdown", "quit", "kill"};

	log_info("desktop.stop", "desktop=%s by=%s", d->rec.order.id, words[stage]);
	d->stopping = stage;
	/* Not ready under this order: its machine is somebody else's. */
	if (stage == HOST_QUITTING && other_home(d))
		desktop_state(d, HOST_BOOTING, "%s", "starting with the user's files");
	d->stage_ms = clock_ms() + limit_ms;
	if (stage == HOST_ASKED)
		host_machine_powerdown(d->machine);
	else if (stage == HOST_QUITTING)
		host_machine_quit(d->machine);
	else
		host_machine_kill(d->machine);
}

static void step_suspend(struct host_desktop *d)
{
	int r = d->rec.order.isolation == HOST_VM ? host_suspend_begin(d->dir, d->machine)
						  : -EOPNOTSUPP;

	if (r == -ENOTCONN) { /* adopted a moment ago */
		d->suspend_ms = clock_ms() + HOME_RETRY_MS;
		return;
	}
	if (r < 0) {
		suspend_failed(d, r == -EOPNOTSUPP ? "a container's programs cannot be saved"
						   : strerror(-r));
		return;
	}
	log_info("desktop.suspend", "desktop=%s", d->rec.order.id);
	d->stopping = HOST_SUSPENDING;
	d->stage_ms = clock_ms() + SUSPEND_MS;
	/* Not ready: who comes back now waits until it goes on. */
	desktop_state(d, HOST_BOOTING, "%s", "its memory is being saved");
}

static void step_delete(struct host_desktop *d)
{
	struct err e = {0};

	if (d->display)
		host_display_stop(d->display);
	host_display_free(d->display);
	d->display = NULL;
	if (host_desktop_delete(d->agent->config, d, &e) < 0) {
		refuse(d, &e);
		return;
	}
	d->rec.version[0] = 0;
	d->rec.parent[0] = 0;
	d->cold = false;
	d->rec.ran_home[0] = 0;
	d->rec.address = 0;
	d->rec.reset_due = false;
	d->rec.fails = 0;
	d->rec.display_pid = 0;
	desktop_state(d, HOST_ABSENT, "%s", "");
}

static bool step_take(struct host_desktop *d, enum host_step step)
{
	switch (step) {
	case HOST_STEP_START:
		step_start(d);
		break;
	case HOST_STEP_SUSPEND:
		step_suspend(d);
		break;
	case HOST_STEP_FORGET:
		host_suspend_forget(d->dir);
		break;
	case HOST_STEP_POWERDOWN:
		step_stop(d, HOST_ASKED, d->agent->config->stop_timeout_s * INT64_C(1000));
		break;
	case HOST_STEP_QUIT:
		step_stop(d, HOST_QUITTING, QUIT_MS);
		break;
	case HOST_STEP_KILL:
		step_stop(d, HOST_KILLED, KILL_MS);
		break;
	case HOST_STEP_DELETE:
		step_delete(d);
		break;
	case HOST_STEP_NONE:
	case HOST_STEP_WAIT:
		return false;
	}
	return true;
}

/* The state that an order itself brings about when there is nothing to do. */
static void settle(struct host_desktop *d)
{
	if (d->machine)
		return;
	if (d->rec.order.want == HOST_WANT_ABSENT && !d->files)
		desktop_state(d, HOST_ABSENT, "%s", "");
	else if (d->rec.order.want == HOST_WANT_STOPPED && d->state != HOST_STOPPED)
		desktop_state(d, HOST_STOPPED, "%s", "");
	else if (d->rec.order.want == HOST_WANT_SUSPENDED && host_suspend_saved(d->dir))
		desktop_state(d, HOST_SUSPENDED, "%s", "");
	else if (d->rec.order.want == HOST_WANT_SUSPENDED && d->state != HOST_STOPPED)
		desktop_state(d, HOST_STOPPED, "%s", "nothing of it ran that could be saved");
}

static void on_timer(void *arg)
{
	host_reconcile(arg);
}

void host_reconcile(struct host_desktop *d)
{
	struct host_agent *a = d->agent;

	for (int i = 0; i < STEPS_MOST; i++) {
		struct host_view v = {
			.want = a->draining ? HOST_WANT_STOPPED : d->rec.order.want,
			.files = d->files,
			.process = d->machine != NULL,
			.other_home = d->machine && other_home(d),
			.ready = d->rec.ready,
			.saved = !d->machine && !a->draining && host_suspend_saved(d->dir),
			.stopping = d->stopping,
			.stage_ms = d->stage_ms,
			.retry_ms = d->retry_ms,
			.suspend_ms = d->suspend_ms,
		};
		int64_t now = clock_ms(), wake = -1;
		enum host_step step = host_decide(&v, now, &wake);

		/* Until this run has heard from the broker, nothing new is begun: the desktop may
		 * have been given to another host while this one was away. */
		if (step == HOST_STEP_START && !a->synced)
			step = HOST_STEP_NONE;
		if (!step_take(d, step)) {
			if (!d->timer)
				d->timer = loop_timer_add(a->loop, -1, on_timer, d);
			if (d->timer)
				loop_timer_set(d->timer, wake < 0 ? -1 : wake - now);
			break;
		}
	}
	settle(d);
	if (a->draining)
		host_agent_drain(a);
}

/* ---- adoption, display, end ---- */

static void on_input(void *arg, const char *conn, int64_t ago_ms)
{
	struct host_desktop *d = arg;

	if (d->agent->door)
		host_door_input(d->agent->door, d->rec.order.id, conn, ago_ms);
}

static void on_answer(void *arg, const char *id, bool yes)
{
	struct host_desktop *d = arg;

	if (host_desktop_answer(d, id, yes))
		host_agent_changed(d->agent);
}

/* The first of its viewers is whose session it is. */
static void session_user(const struct host_desktop *d, char user[128])
{
	cleanup_json json_t *list =
		d->agent->door ? host_door_viewers(d->agent->door, d->rec.order.id) : NULL;
	const char *s = json_string_value(json_object_get(json_array_get(list, 0), "user"));

	snprintf(user, 128, "%s", s ? s : "");
	utf8_trim(user);
}

/* It could not be recorded, or not to the end. */
static void unrecorded(struct host_desktop *d, const char *why)
{
	log_warn("recording.fail", "desktop=%s why=%s", d->rec.order.id, LOG_Q(why));
	if (d->rec.order.recording_required && d->agent->door)
		host_door_fence(d->agent->door, d->rec.order.id, INT64_MAX);
}

static int on_record(void *arg, char id[37], char title[200], int64_t *max_bytes)
{
	struct host_desktop *d = arg;
	struct host_agent *a = d->agent;
	char user[128];
	struct err e = {0};
	int fd;

	if (!d->rec.order.recording || !a->recordings)
		return -ENODATA;
	session_user(d, user);
	fd = host_recordings_begin(a->recordings,
				   &(struct host_recording_of){.desktop = d->rec.order.id,
							       .name = d->rec.order.name,
							       .user = user,
							       .days = d->rec.order.recording_days,
							       .now_s = host_agent_now_s(a)},
				   id, &e);
	if (fd < 0) {
		unrecorded(d, e.msg);
		return fd;
	}
	snprintf(title, 200, "%.60s, %.120s", d->rec.order.name, user);
	utf8_trim(title); /* it goes by JSON */
	*max_bytes = host_recordings_part(a->recordings);
	a->recordings_told = false;
	host_agent_changed(a);
	return fd;
}

static void on_recorded(void *arg, const char *id, const char *why, bool failed)
{
	struct host_desktop *d = arg;
	struct host_agent *a = d->agent;

	if (!a->recordings)
		return;
	host_recordings_end(a->recordings, id, strcmp(why, "stopped") == 0 ? "" : why,
			    host_agent_now_s(a));
	a->recordings_told = false;
	host_agent_changed(a);
	if (failed)
		unrecorded(d, why);
}

static struct host_display *display_make(struct host_desktop *d)
{
	struct host_display_params p = {
		.loop = d->agent->loop,
		.config = d->agent->config,
		.name = d->rec.order.name,
		.dir = d->dir,
		.run = d->run,
		.clipboard = d->rec.order.clipboard,
		.audio = d->rec.order.audio,
		.monitors = &d->rec.order.monitors,
		.input = on_input,
		.answer = on_answer,
		.record = on_record,
		.recorded = on_recorded,
		.changed = on_display,
		.arg = d,
	};

	if (!d->display)
		d->display = host_display_new(&p);
	return d->display;
}

static void adopt_display(struct host_desktop *d)
{
	if (!d->rec.display_pid || !display_make(d))
		return;
	if (!host_display_adopt(d->display, d->rec.display_pid, d->rec.display_started))
		d->rec.display_pid = 0;
	else
		log_info("display.adopt", "desktop=%s pid=%d", d->rec.order.id, d->rec.display_pid);
}

int host_reconcile_adopt(struct host_desktop *d)
{
	struct host_machine_spec s;
	struct host_ended end;
	char boot[40] = "";
	int r = -ESRCH;

	d->driver = host_driver_of(d->rec.order.isolation);
	machine_spec(d, &s);
	if (host_boot_id(boot) < 0 || strcmp(boot, d->rec.boot) != 0) {
		/* The machine was restarted: nothing of it can still run. */
		d->rec.vmm_pid = d->rec.display_pid = 0;
		d->rec.ready = false;
		host_suspend_tidy(d->dir);
		desktop_state(d, host_suspend_saved(d->dir) ? HOST_SUSPENDED : HOST_STOPPED, "%s",
			      "");
		return 0;
	}
	if (d->rec.vmm_pid)
		r = host_machine_adopt(d->driver, &s, d->rec.vmm_pid, d->rec.vmm_started,
				       &d->machine);
	if (r < 0 && r != -ESRCH)
		return r;
	if (r == 0) {
		d->adopted = true;
		d->started_ms = clock_ms();
		d->ready_ms = d->rec.ready ? d->started_ms : 0;
		desktop_state(d, d->rec.ready ? HOST_READY : HOST_BOOTING, "%s", d->rec.reason);
		if (d->rec.order.isolation == HOST_VM) /* an agent that saved it may have died */
			host_machine_resume(d->machine);
		log_info("desktop.adopt", "desktop=%s pid=%d", d->rec.order.id, d->rec.vmm_pid);
	} else if (d->rec.vmm_pid) {
		host_machine_post_mortem(d->driver, d->dir, &end);
		take_verdict(d, &end, false);
	} else {
		host_suspend_tidy(d->dir);
		desktop_state(d, host_suspend_saved(d->dir) ? HOST_SUSPENDED : HOST_STOPPED, "%s",
			      d->rec.reason);
	}
	adopt_display(d);
	return 0;
}

struct host_display *host_reconcile_display(struct host_desktop *d, struct err *e)
{
	if (!d->machine || d->stopping != HOST_RUNS) {
		err_setw(e, -EAGAIN, "desktop.starting", "the desktop is not running%s%s",
			 d->rec.reason[0] ? ": " : "", d->rec.reason);
		return NULL;
	}
	if (!display_make(d))
		err_set(e, -ENOMEM, "no memory");
	return d->display;
}

void host_desktop_free(struct host_desktop *d)
{
	if (!d)
		return;
	if (d->machine)
		host_machine_free(d->machine);
	host_display_free(d->display);
	json_decref(d->answers);
	loop_timer_del(d->timer);
	free(d);
}
