/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See display_proc.h. One object a desktop, loop's thread. A connection is tried at once and then
 * at growing intervals while the process comes up (its socket is not an event we could wait for);
 * who waits has a deadline of its own and cancels. A display that keeps dying is not restarted for
 * waiters more than START_MOST times in START_WINDOW_MS.
 */
#include "vmm/host/display_proc.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sock.h"
#include "common/surface.h"
#include "vmm/host/display_link.h"

#define TRY_FIRST_MS	5
#define TRY_MOST_MS	200
#define START_MOST	5
#define START_WINDOW_MS 10000
#define RECORD_NEXT_MS	500   /* recordings do not begin more often */
#define RECORD_AGAIN_MS 10000 /* after one that failed */

struct host_display_wait {
	struct host_display *d;
	host_display_fn fn;
	void *arg;
	bool used;
};

struct host_display {
	struct host_display_params p;
	char name[64], dir[PATH_MAX], run[128];
	struct host_proc proc;
	struct loop_io *proc_io;  /* owned */
	struct loop_timer *retry; /* owned */
	int64_t retry_ms;
	struct host_link *link;	   /* owned; NULL until there is a viewer */
	char recording[40];	   /* its id; "" = none */
	struct loop_timer *record; /* owned; when the next one is to begin */
	int64_t record_ms;	   /* not before */
	json_t *messages;	   /* owned; with "end_ms" by clock_ms(); NULL = none */
	unsigned viewers;
	unsigned starts; /* since window_ms */
	int64_t window_ms;
	struct host_display_wait wait[HOST_DISPLAY_WAITERS];
};

static void on_display(void *arg, int fd, unsigned events);

/* ---- recordings ---- */

static void record_over(struct host_display *d, const char *why, bool failed)
{
	char id[sizeof(d->recording)];

	if (!d->recording[0])
		return;
	memcpy(id, d->recording, sizeof(id));
	d->recording[0] = 0;
	d->p.recorded(d->p.arg, id, why, failed);
}

/* One runs while there are viewers and a display that can be told, if there is to be one. */
static void record_ensure(struct host_display *d)
{
	char id[37], title[200];
	int64_t max, now = clock_ms();
	cleanup_close int fd = -1;

	if (!d->p.record || !d->viewers || d->recording[0] || !host_link_ready(d->link))
		return;
	if (now < d->record_ms) {
		loop_timer_set(d->record, d->record_ms - now);
		return;
	}
	fd = d->p.record(d->p.arg, id, title, &max);
	if (fd == -ENODATA)
		return;
	d->record_ms = now + (fd < 0 ? RECORD_AGAIN_MS : RECORD_NEXT_MS);
	if (fd < 0) {
		loop_timer_set(d->record, RECORD_AGAIN_MS);
		return;
	}
	memcpy(d->recording, id, sizeof(id));
	host_link_record(d->link, id, fd, max, title);
	if (!host_link_up(d->link))
		record_over(d, "its display could not be told", true);
}

static void on_record(void *arg)
{
	record_ensure(arg);
}

/* Also of one that an agent before this one began. */
static void on_recorded(void *arg, const char *id, const char *why, bool failed)
{
	struct host_display *d = arg;

	if (strcmp(id, d->recording) != 0) {
		d->p.recorded(d->p.arg, id, why, false);
		return;
	}
	/* The last viewer may have left, which is told here a moment later. */
	d->record_ms = clock_ms() + (failed ? RECORD_AGAIN_MS : RECORD_NEXT_MS);
	record_over(d, why, failed);
	record_ensure(d);
}

/* ---- process ---- */

static bool display_may_start(struct host_display *d)
{
	int64_t now = clock_ms();

	if (now - d->window_ms > START_WINDOW_MS) {
		d->window_ms = now;
		d->starts = 0;
	}
	return d->starts++ < START_MOST;
}

static int display_follow(struct host_display *d)
{
	d->proc_io = loop_io_add(d->p.loop, d->proc.pidfd, LOOP_READ, on_display, d);
	return d->proc_io ? 0 : -ENOMEM;
}

static int display_start(struct host_display *d, struct err *e)
{
	char surface[160], listen[160], idle[16], monitors[16], log[PATH_MAX];
	const char *argv[] = {d->p.config->display,
			      "--surface",
			      surface,
			      "--listen",
			      listen,
			      "--name",
			      d->name,
			      "--clipboard",
			      d->p.clipboard,
			      "--audio",
			      d->p.audio,
			      "--monitors",
			      monitors,
			      "--idle-exit",
			      idle,
			      NULL};
	int r;

	if (!display_may_start(d))
		return err_set(e, -EAGAIN, "pane-display ended %u times in %d s", d->starts - 1,
			       START_WINDOW_MS / 1000);
	snprintf(surface, sizeof(surface), "%s/surface.sock", d->run);
	snprintf(listen, sizeof(listen), "%s/display.sock", d->run);
	snprintf(idle, sizeof(idle), "%d", d->p.config->display_idle_s);
	snprintf(monitors, sizeof(monitors), "%d",
		 d->p.monitors && *d->p.monitors ? *d->p.monitors : SURFACE_MAX_MONITORS);
	if (d->p.config->display_idle_s == 0)
		argv[13] = NULL;
	if ((r = path_join(log, sizeof(log), d->dir, "display.log")) < 0)
		return err_set(e, r, "path too long");
	unlink(listen);
	r = host_proc_spawn(&(struct host_spawn){.argv = argv,
						 .log = log,
						 .cgroup = d->p.config->cgroup,
						 .data_mib = d->p.config->limit_data_mib,
						 .files = 256,
						 .commit = d->p.changed,
						 .arg = d->p.arg},
			    &d->proc, e);
	if (r < 0)
		return r;
	if (display_follow(d) < 0) {
		kill(d->proc.pid, SIGKILL);
		host_proc_fini(&d->proc);
		return err_set(e, -ENOMEM, "no memory");
	}
	log_info("display.start", "desktop=%s pid=%d", d->name, d->proc.pid);
	return 0;
}

static void display_fail(struct host_display *d, int r, const char *why)
{
	for (size_t i = 0; i < HOST_DISPLAY_WAITERS; i++) {
		struct host_display_wait *w = &d->wait[i];

		if (!w->used)
			continue;
		w->used = false;
		w->fn(w->arg, r, why);
	}
}

static bool display_awaited(const struct host_display *d)
{
	for (size_t i = 0; i < HOST_DISPLAY_WAITERS; i++)
		if (d->wait[i].used)
			return true;
	return false;
}

static void display_ensure(struct host_display *d)
{
	struct err e = {0};
	int r;

	if (d->proc.pid)
		return;
	r = display_start(d, &e);
	if (r < 0) {
		log_err("display.start", "desktop=%s error=%s", d->name, LOG_Q(e.msg));
		display_fail(d, r, e.msg);
	}
}

static void on_display(void *arg, int fd, unsigned events)
{
	struct host_display *d = arg;
	struct host_exit x;
	bool idle;

	(void)fd, (void)events;
	if (!host_proc_ended(&d->proc, &x))
		return;
	host_link_free(d->link);
	d->link = NULL;
	record_over(d, "its display ended", false);
	idle = x.known && x.code == 0;
	log_event(idle ? LOG_INFO : LOG_WARN, "display.end", "desktop=%s pid=%d code=%d signal=%d",
		  d->name, d->proc.pid, x.code, x.signal);
	loop_io_del(d->proc_io);
	d->proc_io = NULL;
	host_proc_fini(&d->proc);
	(void)d->p.changed(d->p.arg, &d->proc);
	if (display_awaited(d) || (d->viewers && !idle))
		display_ensure(d);
}

/* ---- connections ---- */

static void display_addr(const struct host_display *d, char addr[192])
{
	snprintf(addr, 192, "unix:%s/display.sock", d->run);
}

static int display_socket(const struct host_display *d, struct err *e)
{
	char addr[192];
	int pending = 0;

	display_addr(d, addr);
	return sock_connect(addr, SOCK_STREAM, &pending, e);
}

static void display_try(void *arg)
{
	struct host_display *d = arg;

	display_ensure(d);
	for (size_t i = 0; i < HOST_DISPLAY_WAITERS; i++) {
		struct host_display_wait *w = &d->wait[i];
		int fd;

		if (!w->used)
			continue;
		fd = display_socket(d, NULL);
		if (fd < 0) {
			loop_timer_set(d->retry, d->retry_ms);
			d->retry_ms = d->retry_ms * 2 > TRY_MOST_MS ? TRY_MOST_MS : d->retry_ms * 2;
			return;
		}
		w->used = false;
		w->fn(w->arg, fd, "");
	}
}

struct host_display_wait *host_display_connect(struct host_display *d, host_display_fn fn,
					       void *arg)
{
	for (size_t i = 0; i < HOST_DISPLAY_WAITERS; i++) {
		struct host_display_wait *w = &d->wait[i];

		if (w->used)
			continue;
		*w = (struct host_display_wait){.d = d, .fn = fn, .arg = arg, .used = true};
		d->retry_ms = TRY_FIRST_MS;
		loop_timer_set(d->retry, 0);
		return w;
	}
	return NULL;
}

void host_display_cancel(struct host_display_wait *w)
{
	if (w)
		w->used = false;
}

/* ---- life ---- */

struct host_display *host_display_new(const struct host_display_params *p)
{
	struct host_display *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->p = *p;
	d->proc = HOST_PROC_NONE;
	d->retry_ms = TRY_FIRST_MS;
	snprintf(d->name, sizeof(d->name), "%s", p->name);
	snprintf(d->dir, sizeof(d->dir), "%s", p->dir);
	snprintf(d->run, sizeof(d->run), "%s", p->run);
	d->retry = loop_timer_add(p->loop, -1, display_try, d);
	d->record = loop_timer_add(p->loop, -1, on_record, d);
	if (!d->retry || !d->record) {
		loop_timer_del(d->retry);
		loop_timer_del(d->record);
		free(d);
		return NULL;
	}
	return d;
}

bool host_display_adopt(struct host_display *d, pid_t pid, uint64_t started)
{
	if (host_proc_adopt(pid, started, &d->proc) < 0)
		return false;
	if (display_follow(d) == 0)
		return true;
	host_proc_fini(&d->proc);
	return false;
}

/* Those whose time is not over, as the display is told of them. */
static void tell_messages(struct host_display *d)
{
	cleanup_json json_t *list = json_array();
	int64_t now = clock_ms();
	json_t *m;
	size_t i;

	json_array_foreach(d->messages, i, m)
	{
		int64_t left = json_integer_value(json_object_get(m, "end_ms")) - now;

		if (left > 0)
			(void)json_array_append_new(
				list, json_pack("{s:O,s:O,s:I,s:b,s:b}", "id",
						json_object_get(m, "id"), "text",
						json_object_get(m, "text"), "ms", (json_int_t)left,
						"idle", json_is_true(json_object_get(m, "idle")),
						"ask", json_is_true(json_object_get(m, "ask"))));
	}
	if (list)
		host_link_messages(d->link, list);
}

static void link_ensure(struct host_display *d)
{
	char addr[192];

	if (!d->viewers || !d->p.input || host_link_up(d->link))
		return;
	host_link_free(d->link);
	record_over(d, "the line to its display broke", false);
	display_addr(d, addr);
	d->link =
		host_link_new(d->p.loop, addr,
			      &(struct host_link_ops){
				      .input = d->p.input, .answer = d->p.answer, .arg = d->p.arg});
	if (!d->link)
		return;
	host_link_more(d->link, &(struct host_link_more){on_record, on_recorded, d});
	if (json_array_size(d->messages))
		tell_messages(d);
}

void host_display_viewers(struct host_display *d, unsigned n)
{
	d->viewers = n;
	link_ensure(d);
	if (!n && d->recording[0] && host_link_ready(d->link))
		host_link_record(d->link, NULL, -1, 1, NULL);
	record_ensure(d);
}

/* The message of that id among them; borrowed. */
static json_t *message_of(json_t *list, const char *id)
{
	json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
	{
		if (strcmp(json_string_value(json_object_get(m, "id")), id) == 0)
			return m;
	}
	return NULL;
}

void host_display_messages(struct host_display *d, json_t *list)
{
	json_t *next = json_array(), *m;
	int64_t now = clock_ms();
	bool same = json_array_size(list) == json_array_size(d->messages);
	size_t i;

	if (!next)
		return;
	json_array_foreach(list, i, m)
	{
		const char *id = json_string_value(json_object_get(m, "id"));
		json_t *known = message_of(d->messages, id);

		same = same && known;
		if (known) {
			(void)json_array_append(next, known);
			continue;
		}
		m = json_copy(m);
		(void)json_object_set_new(
			m, "end_ms",
			json_integer(now + json_integer_value(json_object_get(m, "left_ms"))));
		(void)json_array_append_new(next, m);
	}
	json_decref(d->messages);
	d->messages = next;
	if (same)
		return;
	if (host_link_up(d->link))
		tell_messages(d);
	else
		link_ensure(d);
}

void host_display_stop(struct host_display *d)
{
	d->viewers = 0;
	display_fail(d, -ECANCELED, "the desktop is stopping");
	host_proc_signal(&d->proc, SIGTERM);
}

void host_display_renew(struct host_display *d)
{
	host_proc_signal(&d->proc, SIGTERM);
}

const struct host_proc *host_display_proc(const struct host_display *d)
{
	return &d->proc;
}

void host_display_free(struct host_display *d)
{
	if (!d)
		return;
	display_fail(d, -ECANCELED, "the desktop is going");
	host_link_free(d->link);
	json_decref(d->messages);
	loop_io_del(d->proc_io);
	loop_timer_del(d->retry);
	loop_timer_del(d->record);
	host_proc_fini(&d->proc);
	free(d);
}
