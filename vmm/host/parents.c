/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes parents one at a time: boot, wait until it is ready and says that it waits to become a
 * clone (or, of an image that does not say so, has had time to settle), snapshot, quit, and only
 * then give the directory its name. Whatever fails on the way costs that attempt: desktops
 * boot cold meanwhile, and the next attempt comes later. Loop's thread.
 */
#include "vmm/host/parents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/tree.h"
#include "vmm/host/agent.h"

#define MAKING	       ".making"
#define WANTS	       16
#define BOOT_MS	       600000 /* one that is not ready then never will be */
#define SNAPSHOT_MS    120000
#define RETRY_FIRST_MS 30000
#define RETRY_MOST_MS  3600000

/* A parent that desktops ask for. */
struct want {
	char name[HOST_PARENT_MAX]; /* "": free */
	char image[HOST_NAME_MAX], version[HOST_VERSION_MAX];
	int cpus, memory_mib;
	int64_t retry_ms, wait_ms; /* when to try again; how long the last wait was */
	char why[200];		   /* why the last attempt failed */
};

enum stage {
	BOOTING,
	SETTLING,
	SNAPSHOT,
	QUITTING,
	FAILING
};

struct host_parents {
	struct host_agent *agent; /* borrowed */
	struct want want[WANTS];
	/* The one being made. */
	struct host_machine *machine; /* owned; NULL: none */
	struct want *of;	      /* of want[] */
	enum stage stage;
	struct loop_timer *timer; /* owned: the stage's deadline */
	bool waits;		  /* the guest has said that it does */
	char dir[PATH_MAX], run[128];
};

/* ---- names ---------------------------------------------------------------------------------- */

int host_parent_name(const struct host_image *img, int cpus, int memory_mib,
		     char out[HOST_PARENT_MAX])
{
	if (!img->version[0])
		return -EINVAL;
	return snprintf(out, HOST_PARENT_MAX, "%s@%s-%dx%d", img->name, img->version, cpus,
			memory_mib) < HOST_PARENT_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

bool host_parent_name_ok(const char *s)
{
	const char *at = strchr(s, '@');

	return at && at != s && s[0] != '.' && strlen(s) < HOST_PARENT_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_@") == strlen(s);
}

static int parent_path(const struct host_parents *p, const char *name, char out[PATH_MAX])
{
	return host_config_path(p->agent->config, out, "parents", name);
}

static bool is_parked(const struct host_parents *p, const char *name)
{
	char dir[PATH_MAX], file[PATH_MAX];

	return parent_path(p, name, dir) == 0 && path_join(file, sizeof(file), dir, "state") == 0 &&
	       access(file, R_OK) == 0;
}

static void remove_dir(const char *dir)
{
	struct err e = {0};

	if (tree_delete(dir, &e) < 0)
		log_warn("parent.remove", "dir=%s error=%s", LOG_Q(dir), LOG_Q(e.msg));
}

/* ---- making one: its events ----------------------------------------------------------------- */

static void stage(struct host_parents *p, enum stage s, int64_t limit_ms)
{
	p->stage = s;
	loop_timer_set(p->timer, limit_ms);
}

static void put_off(struct want *w, const char *why)
{
	w->wait_ms = w->wait_ms ? w->wait_ms * 2 : RETRY_FIRST_MS;
	if (w->wait_ms > RETRY_MOST_MS)
		w->wait_ms = RETRY_MOST_MS;
	w->retry_ms = clock_ms() + w->wait_ms;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void give_up(struct host_parents *p, const char *why)
{
	struct want *w = p->of;

	put_off(w, why);
	log_warn("parent.fail", "parent=%s why=%s retry_s=%lld", w->name, LOG_Q(why),
		 (long long)w->wait_ms / 1000);
	if (!p->machine)
		return;
	stage(p, FAILING, -1);
	host_machine_kill(p->machine);
}

static int make_file(const struct host_parents *p, const char *name)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), p->dir, name) < 0)
		return -1;
	unlink(path);
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
}

static void begin_snapshot(struct host_parents *p)
{
	cleanup_close int state = make_file(p, "state"), memory = make_file(p, "memory");
	int r = state < 0 || memory < 0 ? -errno : host_machine_snapshot(p->machine, state, memory);

	if (r < 0)
		give_up(p, strerror(-r));
	else
		stage(p, SNAPSHOT, SNAPSHOT_MS);
}

static void on_timer(void *arg)
{
	struct host_parents *p = arg;

	if (p->stage == SETTLING)
		begin_snapshot(p);
	else if (p->stage == BOOTING)
		give_up(p, "it did not get ready");
	else if (p->stage == SNAPSHOT || p->stage == QUITTING)
		give_up(p, "pane-vmm does not answer");
}

static void on_ready(void *arg)
{
	struct host_parents *p = arg;

	if (p->stage == BOOTING)
		stage(p, SETTLING, p->waits ? 0 : p->agent->config->park_settle_s * INT64_C(1000));
}

static void on_waits(void *arg)
{
	struct host_parents *p = arg;

	p->waits = true;
	if (p->stage == SETTLING)
		loop_timer_set(p->timer, 0);
}

static void on_snapshot(void *arg, const char *error)
{
	struct host_parents *p = arg;

	if (p->stage != SNAPSHOT)
		return;
	if (error) {
		give_up(p, error);
		return;
	}
	stage(p, QUITTING, SNAPSHOT_MS);
	host_machine_quit(p->machine);
}

/* The overlay is final now, and with its name the parent is there for whoever looks. */
static int park(struct host_parents *p)
{
	char dir[PATH_MAX], overlay[PATH_MAX];

	if (parent_path(p, p->of->name, dir) < 0 ||
	    path_join(overlay, sizeof(overlay), p->dir, "disk.overlay") < 0)
		return -ENAMETOOLONG;
	remove_dir(dir);
	return chmod(overlay, 0400) < 0 || rename(p->dir, dir) < 0 ? -errno : 0;
}

static void on_ended(void *arg, const struct host_ended *end)
{
	struct host_parents *p = arg;
	enum stage s = p->stage;
	int r = 0;

	loop_timer_set(p->timer, -1);
	host_machine_free(p->machine);
	p->machine = NULL;
	if (s == QUITTING && end->how == HOST_END_QUIT)
		r = park(p);
	if (s == QUITTING && end->how == HOST_END_QUIT && r == 0) {
		log_info("parent.parked", "parent=%s", p->of->name);
	} else if (s != FAILING) {
		give_up(p, r < 0 ? strerror(-r) : end->why[0] ? end->why : "its machine ended");
	}
	remove_dir(p->dir);
	remove_dir(p->run);
	p->of = NULL;
}

/* An agent that dies leaves the machine running: the next one must find it. */
static int on_starting(void *arg, const struct host_proc *proc)
{
	struct host_parents *p = arg;
	char path[PATH_MAX], boot[40] = "", text[160];
	int n;

	if (path_join(path, sizeof(path), p->dir, "process.json") < 0 || host_boot_id(boot) < 0)
		return -EIO;
	n = snprintf(text, sizeof(text), "{\"pid\":%d,\"started\":%" PRIu64 ",\"boot\":\"%s\"}",
		     (int)proc->pid, proc->started, boot);
	return file_write(path, text, (size_t)n, 0600, NULL);
}

static void begin(struct host_parents *p, struct want *w)
{
	const struct host_config *c = p->agent->config;
	struct host_machine_spec s = {
		.loop = p->agent->loop,
		.config = c,
		.id = w->name,
		.name = "parent",
		.dir = p->dir,
		.run = p->run,
		.cpus = w->cpus,
		.memory_mib = w->memory_mib,
		.home = "",
		.parent = "",
		.park = true,
		.ev = {.starting = on_starting,
		       .ready = on_ready,
		       .waits = on_waits,
		       .snapshot = on_snapshot,
		       .ended = on_ended,
		       .arg = p},
	};
	struct host_image img;
	struct err e = {0};

	p->of = w;
	p->waits = false;
	if (host_image_find(c, w->image, w->version, &img, &e) < 0) {
		w->name[0] = 0; /* the image is gone, and so is the wish */
		p->of = NULL;
		return;
	}
	s.image = &img;
	if (dir_make(p->dir, 0700, &e) < 0 || dir_make(p->run, 0700, &e) < 0 ||
	    host_machine_start(&host_vmm_driver, &s, &p->machine, &e) < 0) {
		p->machine = NULL;
		give_up(p, e.msg);
		p->of = NULL;
		remove_dir(p->dir);
		return;
	}
	log_info("parent.boot", "parent=%s", w->name);
	stage(p, BOOTING, BOOT_MS);
}

/* ---- what desktops ask for ------------------------------------------------------------------ */

static struct want *want_of(struct host_parents *p, const char *name)
{
	struct want *w = p->want, *unused = NULL;

	for (; w < p->want + WANTS; w++) {
		if (strcmp(w->name, name) == 0)
			return w;
		if (!unused && (!w->name[0] || (w != p->of && is_parked(p, w->name))))
			unused = w;
	}
	if (unused)
		*unused = (struct want){0};
	return unused;
}

bool host_parents_find(struct host_parents *p, const struct host_image *img, int cpus,
		       int memory_mib, char name[HOST_PARENT_MAX], char *why, size_t n)
{
	struct want *w;

	name[0] = 0;
	if (!p || (p->agent->config->clone && strcmp(p->agent->config->clone, "never") == 0)) {
		snprintf(why, n, "its configuration says clone = never");
		return false;
	}
	if (!img->clone) {
		snprintf(why, n, "image %s does not say it can be cloned", img->name);
		return false;
	}
	if (host_parent_name(img, cpus, memory_mib, name) < 0) {
		snprintf(why, n, "image %s has no version", img->name);
		return false;
	}
	if (is_parked(p, name))
		return true;
	w = want_of(p, name);
	if (!w) {
		snprintf(why, n, "too many parents are wanted already");
	} else {
		if (!w->name[0]) {
			memcpy(w->name, name, HOST_PARENT_MAX);
			memcpy(w->image, img->name, sizeof(w->image));
			memcpy(w->version, img->version, sizeof(w->version));
			w->cpus = cpus;
			w->memory_mib = memory_mib;
		}
		snprintf(why, n, "no parent is parked yet%s%.150s", w->why[0] ? ": " : "", w->why);
	}
	name[0] = 0;
	return false;
}

void host_parents_spoil(struct host_parents *p, const char *name, const char *why)
{
	char dir[PATH_MAX], state[PATH_MAX];

	log_warn("parent.spoilt", "parent=%s why=%s", name, LOG_Q(why));
	for (struct want *w = p ? p->want : NULL; w && w < p->want + WANTS; w++)
		if (strcmp(w->name, name) == 0)
			put_off(w, why);
	if (!p || parent_path(p, name, dir) < 0 ||
	    path_join(state, sizeof(state), dir, "state") < 0)
		return;
	unlink(state); /* its overlay may be under disks that are well */
}

int64_t host_parents_memory_mib(const struct host_parents *p)
{
	return p && p->machine ? p->of->memory_mib : 0;
}

/* ---- housekeeping --------------------------------------------------------------------------- */

static bool is_needed(const struct host_parents *p, const char *name)
{
	char image[HOST_PARENT_MAX];
	struct host_image img;
	char *at;

	for (const struct host_desktop *d = p->agent->desktops; d; d = d->next)
		if (strcmp(d->rec.parent, name) == 0)
			return true;
	memccpy(image, name, 0, sizeof(image)); /* host_parent_name_ok() */
	at = strchr(image, '@');
	if (!at || !is_parked(p, name))
		return false;
	*at++ = 0;
	/* Of the current version: the next desktop will want it. */
	return host_image_find(p->agent->config, image, "", &img, NULL) == 0 &&
	       strncmp(at, img.version, strlen(img.version)) == 0 && at[strlen(img.version)] == '-';
}

/* Of a version an order names, which need not be the current one. */
static bool is_ordered(const struct host_parents *p, const char *name)
{
	char wanted[HOST_PARENT_MAX + 128];

	for (const struct host_desktop *d = p->agent->desktops; d; d = d->next) {
		const struct host_order *o = &d->rec.order;

		if (o->want == HOST_WANT_ABSENT || !o->version[0])
			continue;
		snprintf(wanted, sizeof(wanted), "%s@%s-%dx%d", o->image, o->version, o->cpus,
			 o->memory_mib);
		if (strcmp(wanted, name) == 0 && is_parked(p, name))
			return true;
	}
	return false;
}

static void sweep(const struct host_parents *p)
{
	char root[PATH_MAX], dir[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (host_config_path(p->agent->config, root, "parents", NULL) < 0 || !(d = opendir(root)))
		return;
	while ((de = readdir(d))) {
		if (!host_parent_name_ok(de->d_name) || is_needed(p, de->d_name) ||
		    is_ordered(p, de->d_name) || parent_path(p, de->d_name, dir) < 0)
			continue;
		log_info("parent.remove", "parent=%s", de->d_name);
		remove_dir(dir);
	}
	closedir(d);
}

/* People come first: while a desktop starts or is looked at, no parent starts. */
static bool is_quiet(const struct host_parents *p)
{
	for (const struct host_desktop *d = p->agent->desktops; d; d = d->next)
		if (d->machine &&
		    (!d->rec.ready || host_door_count(p->agent->door, d->rec.order.id) > 0))
			return false;
	return true;
}

void host_parents_tick(struct host_parents *p)
{
	int64_t now = clock_ms();

	if (!p || p->machine || p->agent->draining || !p->agent->synced)
		return;
	sweep(p);
	if (!is_quiet(p))
		return;
	for (struct want *w = p->want; w < p->want + WANTS; w++) {
		struct err e = {0};

		if (!w->name[0] || w->retry_ms > now || is_parked(p, w->name))
			continue;
		if (host_capacity_admit(&p->agent->capacity, HOST_VM, w->memory_mib,
					host_economy_overcommit(p->agent), &e) < 0) {
			snprintf(w->why, sizeof(w->why), "%.199s", e.msg);
			continue;
		}
		begin(p, w);
		return;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void end_leftover(const struct host_parents *p)
{
	cleanup_json json_t *o = NULL;
	char path[PATH_MAX], boot[40] = "";
	struct host_proc proc;
	const char *was = "";
	int64_t pid, started;

	if (path_join(path, sizeof(path), p->dir, "process.json") < 0 || access(path, R_OK) < 0)
		return;
	o = json_parse_file(path, NULL);
	if (!o || json_need_int(o, "pid", 2, INT32_MAX, &pid, NULL) < 0 ||
	    json_need_int(o, "started", 1, INT64_MAX, &started, NULL) < 0 ||
	    json_need_str(o, "boot", 1, 39, &was, NULL) < 0 || host_boot_id(boot) < 0 ||
	    strcmp(was, boot) != 0 || host_proc_adopt((pid_t)pid, (uint64_t)started, &proc) < 0)
		return;
	host_proc_signal(&proc, SIGKILL);
	host_proc_fini(&proc);
	log_info("parent.leftover", "pid=%d", (int)pid);
}

struct host_parents *host_parents_new(struct host_agent *a)
{
	struct host_parents *p = calloc(1, sizeof(*p));
	char root[PATH_MAX];

	if (!p)
		return NULL;
	p->agent = a;
	p->timer = loop_timer_add(a->loop, -1, on_timer, p);
	if (!p->timer || host_config_path(a->config, root, "parents", NULL) < 0 ||
	    dir_make(root, 0700, NULL) < 0 || parent_path(p, MAKING, p->dir) < 0 ||
	    snprintf(p->run, sizeof(p->run), "%s/parent", a->config->run_dir) >=
		    (int)sizeof(p->run)) {
		host_parents_free(p);
		return NULL;
	}
	end_leftover(p);
	remove_dir(p->dir);
	return p;
}

void host_parents_free(struct host_parents *p)
{
	if (!p)
		return;
	if (p->machine) {
		host_machine_kill(p->machine);
		host_machine_free(p->machine);
		remove_dir(p->dir);
	}
	loop_timer_del(p->timer);
	free(p);
}
