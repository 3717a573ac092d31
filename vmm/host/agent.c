/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The agent's life and its conversation with the broker (docs/contracts.md, "Host agent <->
 * broker"). There is always one sync under way or a timer that will begin one. What changes here
 * cancels the waiting sync so that the broker hears of it at once; a broker that is away is tried
 * again within BACKOFF_MOST_MS, and meanwhile the last orders hold. Orders with an older epoch than
 * one already seen for a desktop are ignored. Loop's thread.
 */
#include "vmm/host/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "vmm/host/home.h"
#include "vmm/host/vmm_driver.h"

#define SYNC_WAIT_S	 20
#define DOUBT_MS	 1000
#define SYNC_TIMEOUT_MS	 35000
#define REPORT_SOON_MS	 20   /* changes that come together are reported together */
#define REPORT_EMPTY_MS	 1000 /* a broker that answers at once without news is not asked faster */
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MOST_MS	 2000
#define TICK_MS		 5000
#define RECORDINGS_MS	 600000 /* their list is told again, though nothing changed */
#define REASON_SHOWN_MS	 300000 /* why it was restarted stays in sight this long once ready */
#define PROBLEM_SHOWN_MS 60000	/* and a problem this long after it was last told */

struct host_desktop *host_agent_find(struct host_agent *a, const char *id)
{
	for (struct host_desktop *d = a->desktops; d; d = d->next)
		if (strcmp(d->rec.order.id, id) == 0)
			return d;
	return NULL;
}

int64_t host_agent_now_s(struct host_agent *a)
{
	/* Monotonic plus offset: a wall clock that jumps here changes nothing. */
	return (a->synced ? a->clock_ms + clock_ms() : clock_wall_ms()) / 1000;
}

static int64_t broker_now_s(void *arg)
{
	return host_agent_now_s(arg);
}

/* The broker's clock may have jumped since its last answer, which a long poll holds back: asks for
 * one now, at most every second, as anybody may come with an old grant. */
static void broker_clock_doubt(void *arg)
{
	struct host_agent *a = arg;

	if (a->doubt_ms && clock_ms() - a->doubt_ms < DOUBT_MS)
		return;
	a->doubt_ms = clock_ms();
	a->ask_clock = true;
	host_agent_changed(a);
}

/* ---- reports ---- */

static json_t *report_desktop(const struct host_agent *a, const struct host_desktop *d)
{
	const struct host_record *r = &d->rec;

	return json_pack("{s:s,s:I,s:s,s:s,s:I,s:o,s:O*}", "id", r->order.id, "epoch",
			 (json_int_t)r->order.epoch, "state", host_state_name(d->state), "reason",
			 r->reason, "since_s", (json_int_t)((clock_ms() - d->state_ms) / 1000),
			 "viewers",
			 a->door ? host_door_viewers(a->door, r->order.id) : json_array(),
			 "answers", d->answers);
}

static json_t *report_capacity(struct host_agent *a)
{
	struct host_capacity *c = &a->capacity;

	host_economy_measure(a);
	return json_pack("{s:i,s:I,s:I,s:I,s:I,s:s,s:b,s:s,s:b,s:s,s:s,s:b,s:b,s:b,s:s}", "cpus",
			 c->cpus, "memory_mib", (json_int_t)c->memory_mib, "memory_free_mib",
			 (json_int_t)c->memory_free_mib, "memory_available_mib",
			 (json_int_t)c->memory_available_mib, "disk_free_mib",
			 (json_int_t)c->disk_free_mib, "kvm", c->kvm, "vm", (int)c->vm, "vm_why",
			 c->vm_why, "container", (int)c->container, "container_why",
			 c->container_why, "limits", c->limits, "firmware",
			 (int)host_vmm_firmware(), "suspend", 1, "shadow", 1, "storage",
			 c->storage);
}

static void usage_look(struct host_agent *a)
{
	struct host_usage_of *v = calloc(a->n_desktops + 1, sizeof(*v));
	size_t n = 0;

	for (const struct host_desktop *d = a->desktops; v && d && n < a->n_desktops; d = d->next) {
		struct host_passed p;

		if (!d->machine)
			continue;
		v[n] = (struct host_usage_of){
			.id = d->rec.order.id,
			.machine = host_machine_proc(d->machine)->pid,
			.display = d->display ? host_display_proc(d->display)->pid : 0,
			.vm = d->rec.order.isolation == HOST_VM};
		if (v[n].vm && host_machine_passed(d->machine, &p)) {
			v[n].in = p.in;
			v[n].out = p.out;
			v[n].net_ms = p.ms;
		}
		n++;
	}
	json_decref(a->used);
	a->used_ms = clock_ms();
	a->used = v ? host_usage_look(a->usage, v, n, a->used_ms) : NULL;
	free(v);
}

/* What went through virtual machines' network cards they know themselves: shortly before each look
 * they are asked, once, so that idle ones are woken no oftener. */
static void ask_passed(struct host_agent *a, int64_t now)
{
	int64_t every = a->config->usage_s * INT64_C(1000);

	if (!every || a->asked_ms > a->used_ms || now < a->used_ms + every - every / 10 - TICK_MS)
		return;
	a->asked_ms = now;
	for (struct host_desktop *d = a->desktops; d; d = d->next)
		if (d->machine && d->rec.order.isolation == HOST_VM)
			host_machine_passed_ask(d->machine);
}

/* What was looked at goes with every report until the broker has one. The reports wait so long at
 * most as it is to the next look. */
static void report_usage(struct host_agent *a, json_t *report)
{
	int64_t every = a->config->usage_s * INT64_C(1000), left;
	json_t *wait = json_object_get(report, "wait_s");

	if (!every || !a->usage)
		return;
	if (!a->used_ms || clock_ms() - a->used_ms >= every - every / 10)
		usage_look(a);
	left = (a->used_ms + every - clock_ms() + 999) / 1000;
	if (json_integer_value(wait) > left)
		json_integer_set(wait, left > 0 ? left : 1);
	if (!a->used)
		return;
	json_object_set_new(a->used, "ago_s", json_integer((clock_ms() - a->used_ms) / 1000));
	json_object_set_new(report, "usage", json_deep_copy(a->used)); /* the worker's own */
}

/* Long, and seldom another one. */
static void report_recordings(struct host_agent *a, json_t *report)
{
	a->telling = a->recordings &&
		     (!a->recordings_told || clock_ms() - a->recordings_ms > RECORDINGS_MS);
	if (a->telling)
		(void)json_object_set_new(report, "recordings",
					  host_recordings_report(a->recordings));
}

static json_t *report_make(struct host_agent *a)
{
	json_t *list = json_array(), *images = host_images_report(a->config);

	for (const struct host_desktop *d = a->desktops; list && d; d = d->next)
		(void)json_array_append_new(list, report_desktop(a, d));
	if (images && a->pull)
		host_pull_report(a->pull, images);
	/* The first answer of a broker that is back shall not wait: until then nothing is reported.
	 */
	return json_pack("{s:{s:s,s:I},s:I,s:i,s:s,s:o,s:o,s:o,s:o}", "report", "run", a->run, "n",
			 (json_int_t)++a->reports, "generation", (json_int_t)a->generation,
			 "wait_s", a->ask_clock || a->backoff_ms ? 0 : SYNC_WAIT_S, "address",
			 a->config->advertise, "capacity", report_capacity(a), "images", images,
			 "homes", host_homes_report(a->config), "desktops", list);
}

static void on_report(void *arg)
{
	struct host_agent *a = arg;
	json_t *report;

	if (!host_sync_idle(a->sync)) {
		if (a->dirty)
			host_sync_cancel(a->sync);
		return;
	}
	report = report_make(a);
	if (report)
		report_usage(a, report);
	if (!report) {
		loop_timer_set(a->report, REPORT_EMPTY_MS);
		return;
	}
	report_recordings(a, report);
	a->dirty = false;
	a->recordings_told = a->recordings_told || a->telling; /* but for what comes now */
	a->sent_ms = clock_ms();
	host_sync_submit(a->sync, report);
}

void host_agent_changed(struct host_agent *a)
{
	a->dirty = true;
	/* While the broker is away the backoff decides when to go on. */
	if (a->sync && a->backoff_ms == 0)
		loop_timer_set(a->report, REPORT_SOON_MS);
}

/* ---- orders ---- */

static struct host_desktop *desktop_new(struct host_agent *a, const char *id)
{
	struct host_desktop *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->agent = a;
	d->state = HOST_CLONING;
	d->state_ms = clock_ms();
	memcpy(d->rec.order.id, id, HOST_UUID);
	if (host_desktop_paths(a->config, d) < 0) {
		free(d);
		return NULL;
	}
	d->next = a->desktops;
	a->desktops = d;
	a->n_desktops++;
	return d;
}

static bool order_same(const struct host_order *a, const struct host_order *b)
{
	return a->epoch == b->epoch && a->want == b->want && a->cpus == b->cpus &&
	       a->memory_mib == b->memory_mib && a->disk_mib == b->disk_mib &&
	       a->isolation == b->isolation && a->reset == b->reset && a->idle_s == b->idle_s &&
	       a->recording == b->recording && a->recording_required == b->recording_required &&
	       a->recording_days == b->recording_days && strcmp(a->home, b->home) == 0 &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->image, b->image) == 0 &&
	       host_share_same(&a->share, &b->share) && strcmp(a->clipboard, b->clipboard) == 0 &&
	       strcmp(a->audio, b->audio) == 0 && a->monitors == b->monitors;
}

static void order_take(struct host_desktop *d, const struct host_order *o)
{
	struct host_order had = d->rec.order;
	struct err e = {0};

	if (had.want == HOST_WANT_ABSENT && o->want != HOST_WANT_ABSENT && !d->files) {
		d->state = HOST_CLONING; /* the id lives again, with nothing of before */
		d->state_ms = clock_ms();
	}
	if (o->want == HOST_WANT_ABSENT) { /* says nothing but that */
		d->rec.order.epoch = o->epoch;
		d->rec.order.want = o->want;
	} else {
		d->rec.order = *o;
		if (had.clipboard[0] && d->display &&
		    (strcmp(had.clipboard, o->clipboard) != 0 || strcmp(had.audio, o->audio) != 0 ||
		     had.recording != o->recording || had.monitors != o->monitors))
			host_display_renew(d->display);
		if (d->machine && o->isolation == HOST_VM &&
		    !host_rates_same(&had.share, &o->share))
			host_machine_share(d->machine, &o->share);
	}
	if (o->epoch > had.epoch && d->agent->door)
		host_door_fence(d->agent->door, o->id, o->epoch);
	/* A new wish is tried at once, whatever the last one ran into. */
	if (had.want != o->want || had.memory_mib != o->memory_mib ||
	    strcmp(had.image, d->rec.order.image) != 0)
		d->retry_ms = 0;
	if (!order_same(&had, &d->rec.order) && d->files && host_desktop_save(d, &e) < 0)
		log_err("desktop.save", "desktop=%s error=%s", o->id, LOG_Q(e.msg));
}

static void order_apply(struct host_agent *a, const struct host_order *o)
{
	struct host_desktop *d = host_agent_find(a, o->id);

	if (d && o->epoch < d->rec.order.epoch) {
		if (log_allow(&a->quota, 2))
			log_warn("order.stale", "desktop=%s epoch=%" PRId64 " seen=%" PRId64, o->id,
				 o->epoch, d->rec.order.epoch);
		return;
	}
	if (!d && a->n_desktops >= (unsigned)a->config->max_desktops) {
		if (log_allow(&a->quota, 2))
			log_warn("order.full", "desktop=%s desktops=%u", o->id, a->n_desktops);
		return;
	}
	if (!d)
		d = desktop_new(a, o->id);
	if (!d)
		return;
	order_take(d, o);
	host_reconcile(d);
}

static bool ordered(const struct host_orders *o, const char *id)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->v[i].id, id) == 0)
			return true;
	return false;
}

/* Forgets desktops that are gone and that the broker no longer speaks of. */
static void forget_absent(struct host_agent *a, const struct host_orders *o)
{
	struct host_desktop **p = &a->desktops;

	while (*p) {
		struct host_desktop *d = *p;

		if (d->state != HOST_ABSENT || d->machine || d->files ||
		    ordered(o, d->rec.order.id)) {
			p = &d->next;
			continue;
		}
		*p = d->next;
		a->n_desktops--;
		host_desktop_free(d);
	}
}

static void take_grant_key(struct host_agent *a, const char *pem)
{
	cleanup_free char *have = NULL;
	struct err e = {0};
	EVP_PKEY *key;
	size_t len;

	if (!pem || !a->door)
		return;
	if (file_read(a->identity.grant_pub, 8192, &have, &len, NULL) == 0 &&
	    strcmp(have, pem) == 0)
		return;
	key = grant_key_parse_public(pem, &e);
	if (!key) {
		log_err("grant.key", "error=%s", LOG_Q(e.msg));
		return;
	}
	log_info("grant.key", "changed=yes");
	host_door_key(a->door, key);
	if (file_write(a->identity.grant_pub, pem, strlen(pem), 0644, &e) < 0)
		log_err("grant.key", "error=%s", LOG_Q(e.msg));
}

/* An image has come, or how far it is has changed. */
static void on_pull(void *arg)
{
	struct host_agent *a = arg;

	for (struct host_desktop *d = a->desktops; d; d = d->next) {
		if (d->machine || !d->rec.order.version[0])
			continue;
		if (d->state == HOST_CLONING || d->state == HOST_FAILED)
			d->retry_ms = 0;
		host_reconcile(d);
	}
	host_agent_changed(a);
}

/* Its overlay, or one about to be made, means nothing over another base. */
static bool version_in_use(void *arg, const char *name, const char *version)
{
	const struct host_agent *a = arg;

	for (const struct host_desktop *d = a->desktops; d; d = d->next)
		if (strcmp(d->rec.order.image, name) == 0 &&
		    strcmp(d->rec.version[0] ? d->rec.version : d->rec.order.version, version) ==
			    0 &&
		    (d->files || d->rec.order.want != HOST_WANT_ABSENT))
			return true;
	return false;
}

/* A machine has it, or is about to: whatever the broker thinks, these files stay. */
static bool home_in_use(void *arg, const char *key)
{
	const struct host_agent *a = arg;

	for (const struct host_desktop *d = a->desktops; d; d = d->next)
		if ((d->machine && strcmp(d->rec.ran_home, key) == 0) ||
		    (d->rec.order.want == HOST_WANT_RUNNING && strcmp(d->rec.order.home, key) == 0))
			return true;
	return false;
}

/* The desktops of "watch" that run here. */
static void tell_watched(struct host_agent *a, json_t *watch)
{
	size_t max = json_array_size(watch), n = 0;
	struct host_picture_want *v = max ? calloc(max, sizeof(*v)) : NULL;

	for (struct host_desktop *d = a->desktops; v && d && n < max; d = d->next) {
		const char *id;
		json_t *x;
		size_t i;

		json_array_foreach(watch, i, x) if ((id = json_string_value(x)) &&
						    !strcmp(id, d->rec.order.id)) break;
		if (i == max || !d->machine)
			continue;
		memcpy(v[n].id, d->rec.order.id, HOST_UUID);
		v[n].epoch = d->rec.order.epoch;
		snprintf(v[n].surface, sizeof(v[n].surface), "%s/surface.sock", d->run);
		n++;
	}
	host_pictures_want(a->pictures, v, n);
}

/* Without a display there is nobody to read them; who comes makes a report, and the reply has them
 * again. */
static void tell_messages(struct host_agent *a, const struct host_order *o, json_t *list)
{
	struct host_desktop *d = host_agent_find(a, o->id);

	if (d)
		host_desktop_answers_keep(d, list);
	if (d && d->display && o->epoch == d->rec.order.epoch)
		host_display_messages(d->display, list);
}

static int orders_take(struct host_agent *a, json_t *reply, struct err *e)
{
	struct host_orders o;
	int r = host_orders_parse(reply, &o, e);

	if (r < 0)
		return r;
	if (!a->synced)
		log_info("sync.first", "generation=%" PRId64 " desktops=%zu", o.generation, o.n);
	a->clock_ms = o.now_s * 1000 - clock_ms();
	a->ask_clock = false;
	a->synced = true;
	a->generation = o.generation;
	take_grant_key(a, o.grant_key);
	host_pull_want(a->pull, json_object_get(reply, "images"));
	json_decref(a->customizations);
	a->customizations = json_incref(json_object_get(reply, "customizations"));
	for (size_t i = 0; i < o.n; i++) {
		order_apply(a, &o.v[i]);
		tell_messages(a, &o.v[i], o.messages[i]);
	}
	for (size_t i = 0; i < o.n_drop; i++)
		host_door_drop(a->door, o.drop[i].desktop, o.drop[i].conn);
	forget_absent(a, &o);
	tell_watched(a, json_object_get(reply, "watch"));
	host_courier_want(a->courier, json_object_get(reply, "send_recordings"));
	if (host_recordings_drop(a->recordings, json_object_get(reply, "drop_recordings"))) {
		a->recordings_told = false;
		host_agent_changed(a);
	}
	if (host_homes_drop(a->config, json_object_get(reply, "drop_homes"), home_in_use, a))
		host_agent_changed(a);
	if (json_object_get(reply, "images"))
		host_pull_sweep(a->pull, version_in_use, a);
	host_orders_free(&o);
	return 0;
}

/* The report may not have arrived. */
static void sync_lost(struct host_agent *a)
{
	if (a->telling)
		a->recordings_told = false;
	a->telling = false;
}

static void sync_failed(struct host_agent *a, const struct err *e)
{
	sync_lost(a);
	if (a->backoff_ms == 0 || log_allow(&a->quota, 1))
		log_warn("sync.fail", "error=%s", LOG_Q(e->msg));
	a->backoff_ms = a->backoff_ms ? a->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (a->backoff_ms > BACKOFF_MOST_MS)
		a->backoff_ms = BACKOFF_MOST_MS;
	loop_timer_set(a->report, a->backoff_ms);
}

static void on_sync(void *arg, int r, json_t *reply, const struct err *err)
{
	struct host_agent *a = arg;
	int64_t took = clock_ms() - a->sent_ms, had = a->generation;
	struct err e = *err;

	if (r == -ECANCELED) {
		host_count_sync(a, HOST_SYNC_CANCELLED);
		sync_lost(a);
		loop_timer_set(a->report, 0);
		return;
	}
	if (r < 0 || orders_take(a, reply, &e) < 0) {
		host_count_sync(a, HOST_SYNC_FAILED);
		sync_failed(a, &e);
		return;
	}
	host_count_sync(a, HOST_SYNC_OK);
	if (a->telling)
		a->recordings_ms = clock_ms();
	a->telling = false;
	if (a->backoff_ms)
		log_info("sync.back", "generation=%" PRId64, a->generation);
	a->backoff_ms = 0;
	json_decref(a->used);
	a->used = NULL;
	if (a->dirty || had != a->generation)
		loop_timer_set(a->report, REPORT_SOON_MS);
	else
		loop_timer_set(a->report, took < REPORT_EMPTY_MS ? REPORT_EMPTY_MS - took : 0);
}

/* ---- the door's questions ---- */

static struct host_display *door_display(void *arg, const char *id, int64_t epoch, struct err *e)
{
	struct host_agent *a = arg;
	struct host_desktop *d = host_agent_find(a, id);
	struct err why = {0};

	if (!d || d->rec.order.want == HOST_WANT_ABSENT) {
		err_setw(e, -ENOENT, "desktop.unknown", "the desktop is not on this host");
		return NULL;
	}
	if (epoch != d->rec.order.epoch) {
		err_setw(e, -EACCES, "grant.epoch",
			 "the grant is of epoch %" PRId64 ", the desktop of %" PRId64, epoch,
			 d->rec.order.epoch);
		return NULL;
	}
	if (d->rec.order.recording && d->rec.order.recording_required &&
	    host_recordings_room(a->recordings, &why) < 0) {
		err_setw(e, -ENOSPC, "display.recording",
			 "sessions here must be recorded, which cannot be done now: %s", why.msg);
		return NULL;
	}
	host_economy_wake(d);
	return host_reconcile_display(d, e);
}

static void door_viewers(void *arg, const char *id)
{
	struct host_agent *a = arg;
	struct host_desktop *d = host_agent_find(a, id);

	if (d && d->display)
		host_display_viewers(d->display, host_door_count(a->door, id));
	host_agent_changed(a);
}

/* ---- housekeeping ---- */

static void on_tick(void *arg)
{
	struct host_agent *a = arg;
	int64_t max = a->config->log_kib * INT64_C(1024), now = clock_ms();

	for (struct host_desktop *d = a->desktops; d; d = d->next) {
		host_desktop_bound_log(d, host_driver_of(d->rec.order.isolation)->log, max);
		host_desktop_bound_log(d, "session.log", max);
		host_desktop_bound_log(d, "display.log", max);
		if (a->door && d->rec.order.idle_s &&
		    host_door_idle(a->door, d->rec.order.id, d->rec.order.idle_s))
			host_agent_changed(a); /* the broker wants to know, and says what follows */
		if (d->state == HOST_READY && d->rec.reason[0] && d->ready_ms &&
		    (d->problem_ms ? now - d->problem_ms > PROBLEM_SHOWN_MS
				   : now - d->ready_ms > REASON_SHOWN_MS)) {
			d->rec.fails = 0;
			if (strcmp(d->rec.reason, d->note) == 0)
				continue; /* lasts as long as the machine */
			snprintf(d->rec.reason, sizeof(d->rec.reason), "%s", d->note);
			host_agent_changed(a);
		}
	}
	if (a->recordings && a->synced && host_recordings_tick(a->recordings, broker_now_s(a))) {
		a->recordings_told = false;
		host_agent_changed(a);
	}
	ask_passed(a, now);
	host_parents_tick(a->parents);
	loop_timer_set(a->tick, TICK_MS);
}

/* ---- life ---- */

static int agent_lock(struct host_agent *a, struct err *e)
{
	char path[PATH_MAX];
	int r = host_config_path(a->config, path, "agent.lock", NULL);

	if (r < 0)
		return r;
	a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (a->lock < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (flock(a->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(e, -EBUSY, "another pane-host runs on %s: stop it first",
		       a->config->state_dir);
}

static void adopt_one(struct host_agent *a, const char *id)
{
	struct host_desktop *d = desktop_new(a, id);
	struct err e = {0};
	int r;

	if (!d)
		return;
	d->files = true;
	r = host_desktop_load(d, &e);
	if (r == 0)
		r = host_reconcile_adopt(d);
	if (r == 0)
		return;
	/* Not understood, so not touched: what is in it may be somebody's. */
	log_err("desktop.adopt", "desktop=%s error=%s", id, LOG_Q(e.msg[0] ? e.msg : strerror(-r)));
	a->desktops = d->next;
	a->n_desktops--;
	host_desktop_free(d);
}

static int adopt_all(struct host_agent *a, struct err *e)
{
	char root[PATH_MAX];
	struct dirent *de;
	DIR *dir;
	int r;

	if ((r = host_config_path(a->config, root, "desktops", NULL)) < 0 ||
	    (r = dir_make(root, 0700, e)) < 0 || (r = dir_make(a->config->run_dir, 0700, e)) < 0)
		return r;
	dir = opendir(root);
	if (!dir)
		return err_set(e, -errno, "%s: %s", root, strerror(errno));
	while ((de = readdir(dir)))
		if (strlen(de->d_name) == 36 && host_uuid_ok(de->d_name))
			adopt_one(a, de->d_name);
	closedir(dir);
	return 0;
}

int host_agent_init(struct host_agent *a, struct loop *l, const struct host_config *c,
		    bool exclusive, struct err *e)
{
	int r;

	*a = (struct host_agent){.loop = l, .config = c, .lock = -1};
	a->begun_ms = clock_ms();
	random_id(a->run);
	if ((r = dir_make(c->state_dir, 0700, e)) < 0 ||
	    (exclusive && (r = agent_lock(a, e)) < 0) || (r = adopt_all(a, e)) < 0) {
		host_agent_fini(a);
		return r;
	}
	return 0;
}

int host_agent_start(struct host_agent *a, struct err *e)
{
	struct host_door_ops ops = {.display = door_display,
				    .viewers = door_viewers,
				    .now_s = broker_now_s,
				    .doubt = broker_clock_doubt,
				    .arg = a};
	struct http_params hp = {
		.base = a->config->broker_url,
		.ca = a->config->broker_ca,
		.verify_name = a->config->verify_name,
		.cert = a->identity.cert,
		.key = a->identity.key,
		.timeout_ms = SYNC_TIMEOUT_MS,
	};
	char path[96];
	int r = host_identity_load(a->config, &a->identity, e);

	if (r < 0)
		return r;
	if ((r = host_homes_storage(a->config, a->capacity.storage, e)) < 0)
		return r;
	host_capacity_probe(a->config, &a->capacity);
	a->door = host_door_new(a->loop, a->config, &a->identity, &ops, e);
	if (!a->door)
		return e && e->code ? e->code : -ENOMEM;
	a->pull = host_pull_new(a->loop, a->config, &hp, a->identity.id, on_pull, a, e);
	if (!a->pull)
		return e && e->code ? e->code : -ENOMEM;
	a->pictures = host_pictures_new(&hp, a->identity.id, e);
	if (!a->pictures)
		return e && e->code ? e->code : -ENOMEM;
	a->recordings = host_recordings_new(a->config, e);
	a->courier = host_courier_new(a->config, &hp, a->identity.id, e);
	if (!a->recordings || !a->courier)
		return e && e->code ? e->code : -ENOMEM;
	a->parents = host_parents_new(a);
	if (!a->parents)
		return err_set(e, -ENOMEM, "%s/parents: cannot be used", a->config->state_dir);
	a->metrics = host_metrics_new(a, e);
	if (!a->metrics)
		return e && e->code ? e->code : -ENOMEM;
	a->usage = host_usage_new("/proc");
	a->economy = host_economy_new(a);
	snprintf(path, sizeof(path), "/internal/v1/hosts/%s/sync", a->identity.id);
	a->sync = host_sync_new(a->loop, &hp, path, on_sync, a, e);
	a->report = loop_timer_add(a->loop, 0, on_report, a);
	a->tick = loop_timer_add(a->loop, TICK_MS, on_tick, a);
	if (!a->sync || !a->report || !a->tick || !a->economy)
		return e && e->code ? e->code : -ENOMEM;
	for (struct host_desktop *d = a->desktops; d; d = d->next)
		host_reconcile(d); /* finishes stops that were under way */
	log_info("host.start", "id=%s listen=%s desktops=%u", a->identity.id, a->config->listen,
		 a->n_desktops);
	return 0;
}

void host_agent_drain(struct host_agent *a)
{
	bool running = false;

	if (!a->draining) {
		a->draining = true;
		for (struct host_desktop *d = a->desktops; d; d = d->next) {
			if (d->display)
				host_display_stop(d->display);
			host_reconcile(d);
		}
	}
	for (struct host_desktop *d = a->desktops; d; d = d->next)
		running = running || d->machine;
	if (!running)
		loop_stop(a->loop);
}

void host_agent_fini(struct host_agent *a)
{
	host_metrics_free(a->metrics);
	a->metrics = NULL;
	host_sync_free(a->sync);
	a->sync = NULL;
	host_pull_free(a->pull);
	a->pull = NULL;
	host_pictures_free(a->pictures);
	a->pictures = NULL;
	host_courier_free(a->courier);
	a->courier = NULL;
	host_parents_free(a->parents);
	a->parents = NULL;
	host_door_free(a->door);
	a->door = NULL;
	while (a->desktops) {
		struct host_desktop *d = a->desktops;

		a->desktops = d->next;
		host_desktop_free(d);
	}
	host_recordings_free(a->recordings);
	a->recordings = NULL;
	json_decref(a->customizations);
	a->customizations = NULL;
	json_decref(a->used);
	a->used = NULL;
	host_usage_free(a->usage);
	a->usage = NULL;
	host_economy_free(a->economy);
	a->economy = NULL;
	loop_timer_del(a->report);
	loop_timer_del(a->tick);
	if (a->lock >= 0)
		close(a->lock);
	a->lock = -1;
}
