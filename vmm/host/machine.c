/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a desktop in a process of its own (docs/contracts.md, "Host agent -> pane-vmm"): starts it,
 * follows its control socket until the desktop is ready, and tells from exit status and state file
 * how it ended. The control connection may come and go (the socket appears some time after exec,
 * the agent may have been restarted); the pidfd alone decides whether the machine lives.
 */
#include "vmm/host/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sock.h"
#include "vmm/host/group.h"

#define LINE_MAX_BYTES	 4096
#define CONNECT_FIRST_MS 10
#define CONNECT_MOST_MS	 1000
#define BALLOON_MS	 5000 /* for an answer; then it is not waited for any more */

struct host_machine {
	const struct host_driver *driver; /* borrowed; static */
	struct loop *loop;		  /* borrowed */
	struct host_machine_events ev;
	struct host_proc proc;
	struct loop_io *proc_io;      /* owned */
	int control;		      /* owned; -1 while not connected */
	struct loop_io *control_io;   /* owned */
	struct loop_timer *reconnect; /* owned */
	int64_t reconnect_ms;
	struct buf in;
	const char *pending; /* a command given before the connection was there; static */
	bool ready, waits, snapshotting;
	char share[HOST_SHARE_LINE]; /* what is said at every connection; "" = nothing */
	int64_t asked_ms;	     /* when it was asked of its balloon; 0: nothing is owed */
	bool ballooned;		     /* balloon is what it answered */
	struct host_balloon_status balloon;
	struct host_passed passed; /* ms 0: it has not said */
	unsigned owed;		   /* answers that come before a snapshot's */
	char id[HOST_UUID];
	char dir[PATH_MAX], socket[128];
	char group[PATH_MAX]; /* its control group; "" = none of ours */
};

const struct host_driver *host_driver_of(enum host_isolation i)
{
	return i == HOST_CONTAINER ? &host_container_driver : &host_vmm_driver;
}

/* ---- command line ---- */

int host_argv_add(struct host_argv *a, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (a->n + 1 >= HOST_ARGS_MAX)
		return -E2BIG;
	va_start(ap, fmt);
	n = vasprintf(&a->v[a->n], fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->v[a->n] = NULL;
		return -ENOMEM;
	}
	a->n++;
	return 0;
}

void host_argv_free(struct host_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	*a = (struct host_argv){0};
}

/* ---- what it says ---- */

/* Printable ASCII only: it travels into reports and onto screens. */
static void copy_plain(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; *s && i + 1 < n; s++)
		out[i++] = *s >= ' ' && *s < 127 ? *s : '?';
	out[i] = 0;
}

int host_machine_line(const char *p, size_t n, enum host_line *out, char problem[HOST_PROBLEM_MAX],
		      char note[HOST_PROBLEM_MAX])
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *event = NULL, *reason = "", *told = "", *noted = "";
	bool ready = false;

	*out = HOST_LINE_OTHER;
	problem[0] = note[0] = 0;
	if (!json_is_object(o) || json_opt_str(o, "event", 32, &event, NULL) < 0 ||
	    json_opt_str(o, "reason", LINE_MAX_BYTES, &reason, NULL) < 0 ||
	    json_opt_str(o, "problem", LINE_MAX_BYTES, &told, NULL) < 0 ||
	    json_opt_str(o, "note", LINE_MAX_BYTES, &noted, NULL) < 0 ||
	    json_opt_bool(o, "ready", &ready, NULL) < 0)
		return -EPROTO;
	if (event && strcmp(event, "ready") == 0)
		*out = HOST_LINE_READY;
	else if (event && strcmp(event, "stopping") == 0)
		*out = HOST_LINE_STOPPING;
	else if (event && strcmp(event, "problem") == 0)
		*out = HOST_LINE_PROBLEM;
	else if (event && strcmp(event, "note") == 0)
		*out = HOST_LINE_NOTE;
	else if (!event && json_object_get(o, "ready"))
		*out = ready ? HOST_LINE_READY : HOST_LINE_NOT_READY;
	else if (!event && json_is_true(json_object_get(o, "ok")))
		*out = HOST_LINE_DONE;
	else if (!event && json_object_get(o, "error"))
		*out = HOST_LINE_ERROR;
	copy_plain(problem, HOST_PROBLEM_MAX, *out == HOST_LINE_PROBLEM ? reason : told);
	copy_plain(note, HOST_PROBLEM_MAX, *out == HOST_LINE_NOTE ? reason : noted);
	return 0;
}

bool host_machine_line_waits(const char *p, size_t n)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *event = NULL;
	bool waits = false;

	if (!json_is_object(o) || json_opt_str(o, "event", 32, &event, NULL) < 0 ||
	    json_opt_bool(o, "waits", &waits, NULL) < 0)
		return false;
	return event ? strcmp(event, "waits") == 0 : waits;
}

static void ended_by_state(const char *text, struct host_ended *end)
{
	cleanup_json json_t *o = json_parse(text, strlen(text), NULL);
	const char *reason = "";

	if (!o || json_opt_str(o, "reason", 4096, &reason, NULL) < 0)
		return;
	if (strcmp(reason, "poweroff") == 0)
		end->how = HOST_END_POWEROFF;
	else if (strcmp(reason, "logout") == 0)
		end->how = HOST_END_LOGOUT;
	else if (strcmp(reason, "reset") == 0)
		end->how = HOST_END_RESET;
	else if (strcmp(reason, "panic") == 0)
		end->how = HOST_END_PANIC;
	else if (strcmp(reason, "quit") == 0)
		end->how = HOST_END_QUIT;
	else
		end->how = HOST_END_ERROR;
	if (strncmp(reason, "error: ", 7) == 0)
		reason += 7;
	if (end->how == HOST_END_ERROR)
		copy_plain(end->why, sizeof(end->why), reason);
}

void host_machine_ended(const struct host_exit *x, const char *state_text, struct host_ended *end)
{
	*end = (struct host_ended){.how = HOST_END_SIGNAL};
	if (x->known && x->signal) {
		end->detail = x->signal;
		return;
	}
	if (x->known) {
		end->how = x->code == 0	  ? HOST_END_POWEROFF
			   : x->code == 3 ? HOST_END_RESET
			   : x->code == 4 ? HOST_END_PANIC
					  : HOST_END_ERROR;
		end->detail = x->code;
	}
	if (state_text)
		ended_by_state(state_text, end);
}

/* The last line its program wrote, where its state file does not explain an error. */
static void last_log_line(const struct host_driver *drv, const char *dir, char *out, size_t n)
{
	char path[PATH_MAX], tail[1024];
	cleanup_fclose FILE *f = NULL;
	size_t got;
	char *s;

	if (path_join(path, sizeof(path), dir, drv->log) < 0 || !(f = fopen(path, "re")))
		return;
	if (fseek(f, -(long)sizeof(tail) + 1, SEEK_END) < 0)
		rewind(f);
	got = fread(tail, 1, sizeof(tail) - 1, f);
	while (got && tail[got - 1] == '\n')
		got--;
	tail[got] = 0;
	s = strrchr(tail, '\n');
	copy_plain(out, n, s ? s + 1 : tail);
}

static void obituary(const struct host_driver *drv, const char *dir, const struct host_exit *x,
		     struct host_ended *end)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	size_t len;

	if (path_join(path, sizeof(path), dir, "exit.json") == 0 &&
	    file_read(path, 65536, &text, &len, NULL) < 0)
		text = NULL;
	host_machine_ended(x, text, end);
	end->program = drv->program;
	if (end->how == HOST_END_ERROR && !end->why[0])
		last_log_line(drv, dir, end->why, sizeof(end->why));
}

void host_machine_post_mortem(const struct host_driver *drv, const char *dir,
			      struct host_ended *end)
{
	struct host_exit x = {.code = -1};

	obituary(drv, dir, &x, end);
}

/* ---- control connection ---- */

static void control_close(struct host_machine *m)
{
	loop_io_del(m->control_io);
	m->control_io = NULL;
	if (m->control >= 0)
		close(m->control);
	m->control = -1;
	buf_fini(&m->in);
	buf_init(&m->in, LINE_MAX_BYTES);
}

static void control_retry(struct host_machine *m)
{
	if (m->snapshotting) {
		m->snapshotting = false;
		m->ev.snapshot(m->ev.arg, "the connection to pane-vmm was lost");
	}
	control_close(m);
	m->owed = 0;
	m->asked_ms = 0;
	m->ballooned = false;
	loop_timer_set(m->reconnect, m->reconnect_ms);
	m->reconnect_ms =
		m->reconnect_ms * 2 > CONNECT_MOST_MS ? CONNECT_MOST_MS : m->reconnect_ms * 2;
}

static int control_say(struct host_machine *m, const char *line)
{
	size_t n = strlen(line);

	if (m->control < 0)
		return -ENOTCONN;
	return send(m->control, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -EIO;
}

/* Answered by "ok" or "error", as a snapshot is: whose answer is whose the order tells. */
static int control_order(struct host_machine *m, const char *line)
{
	int r = control_say(m, line);

	if (r == 0 && !m->snapshotting)
		m->owed++;
	return r;
}

static void snapshot_answer(struct host_machine *m, enum host_line what, const char *p, size_t n)
{
	cleanup_json json_t *o = NULL;
	const char *error = "";
	char plain[200];

	if (what != HOST_LINE_DONE && what != HOST_LINE_ERROR)
		return;
	if (m->owed) {
		m->owed--;
		return;
	}
	if (!m->snapshotting)
		return;
	m->snapshotting = false;
	if (what == HOST_LINE_DONE) {
		m->ev.snapshot(m->ev.arg, NULL);
		return;
	}
	o = json_parse(p, n, NULL);
	if (!o || json_opt_str(o, "error", 4096, &error, NULL) < 0)
		error = "no reason given";
	copy_plain(plain, sizeof(plain), error);
	m->ev.snapshot(m->ev.arg, plain);
}

/* True when the line is the answer that is owed of its balloon, or why there is none. */
static bool balloon_answer(struct host_machine *m, enum host_line what, const char *p, size_t n)
{
	struct host_balloon_status s;

	if (!m->asked_ms || (what != HOST_LINE_OTHER && what != HOST_LINE_ERROR))
		return false;
	if (what == HOST_LINE_OTHER) {
		if (host_balloon_parse(p, n, &s) < 0)
			return false;
		m->balloon = s;
		m->ballooned = true;
	}
	m->asked_ms = 0;
	return true;
}

/* An answer to "limits", whoever asked: the older pane-vmm of a desktop that runs on says nothing
 * of it. */
static void passed_answer(struct host_machine *m, const char *p, size_t n)
{
	cleanup_json json_t *o = NULL;
	struct host_passed v = {.ms = clock_ms()};
	json_t *of;

	if (!memmem(p, n, "\"passed\"", 8) || !(o = json_parse(p, n, NULL)))
		return;
	of = json_object_get(o, "passed");
	if (json_is_object(of) && json_need_int(of, "net_in", 0, INT64_MAX, &v.in, NULL) == 0 &&
	    json_need_int(of, "net_out", 0, INT64_MAX, &v.out, NULL) == 0)
		m->passed = v;
}

static void control_lines(struct host_machine *m)
{
	uint8_t *nl;

	while (m->in.len && (nl = memchr(buf_head(&m->in), '\n', m->in.len))) {
		size_t n = (size_t)(nl - buf_head(&m->in));
		char problem[HOST_PROBLEM_MAX], note[HOST_PROBLEM_MAX];
		enum host_line what;

		if (host_machine_line((char *)buf_head(&m->in), n, &what, problem, note) < 0)
			log_warn("machine.garbled", "desktop=%s", m->id);
		bool waits = m->ev.waits && !m->waits &&
			     host_machine_line_waits((char *)buf_head(&m->in), n);

		if (!balloon_answer(m, what, (char *)buf_head(&m->in), n))
			snapshot_answer(m, what, (char *)buf_head(&m->in), n);
		if (what == HOST_LINE_OTHER)
			passed_answer(m, (char *)buf_head(&m->in), n);
		buf_consume(&m->in, n + 1);
		if (note[0] && m->ev.note)
			m->ev.note(m->ev.arg, note);
		if (what == HOST_LINE_READY && !m->ready) {
			m->ready = true;
			m->ev.ready(m->ev.arg);
		}
		if (waits) {
			m->waits = true;
			m->ev.waits(m->ev.arg);
		}
		if (problem[0] && m->ev.problem)
			m->ev.problem(m->ev.arg, problem);
	}
}

static void on_control(void *arg, int fd, unsigned events)
{
	struct host_machine *m = arg;
	uint8_t *p = buf_reserve(&m->in, 1024);
	ssize_t n;

	(void)events;
	if (!p) { /* a line longer than the cap */
		log_warn("machine.garbled", "desktop=%s", m->id);
		control_retry(m);
		return;
	}
	n = recv(fd, p, 1024, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		control_retry(m);
		return;
	}
	buf_commit(&m->in, (size_t)n);
	control_lines(m);
}

static void control_connect(void *arg)
{
	struct host_machine *m = arg;
	int pending = 0;
	int fd = sock_connect(m->socket, SOCK_STREAM, &pending, NULL);

	if (fd < 0) {
		control_retry(m);
		return;
	}
	m->control = fd;
	m->control_io = loop_io_add(m->loop, fd, LOOP_READ, on_control, m);
	if (!m->control_io || control_say(m, "{\"op\":\"status\"}\n") < 0 ||
	    (m->share[0] && control_say(m, m->share) < 0) ||
	    (m->pending && control_order(m, m->pending) < 0)) {
		control_retry(m);
		return;
	}
	m->pending = NULL;
	m->reconnect_ms = CONNECT_FIRST_MS;
}

static void command(struct host_machine *m, const char *line)
{
	if (control_order(m, line) < 0)
		m->pending = line;
}

void host_machine_powerdown(struct host_machine *m)
{
	command(m, "{\"op\":\"powerdown\"}\n");
}

void host_machine_quit(struct host_machine *m)
{
	command(m, "{\"op\":\"quit\"}\n");
}

void host_machine_resume(struct host_machine *m)
{
	command(m, "{\"op\":\"resume\"}\n");
}

/* Its error would look like the snapshot's. */
static bool balloon_owed(const struct host_machine *m)
{
	return m->asked_ms && clock_ms() - m->asked_ms < BALLOON_MS;
}

int host_machine_snapshot(struct host_machine *m, int state, int memory)
{
	static char line[] = "{\"op\":\"snapshot\"}\n";
	int fd[2] = {state, memory};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fd))];
	} control = {0};
	struct iovec v = {.iov_base = line, .iov_len = sizeof(line) - 1};
	struct msghdr msg = {.msg_iov = &v,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	if (m->control < 0 || m->snapshotting || balloon_owed(m))
		return -ENOTCONN;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), fd, sizeof(fd));
	if (sendmsg(m->control, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)v.iov_len)
		return -EIO;
	m->snapshotting = true;
	return 0;
}

void host_machine_share(struct host_machine *m, const struct host_share *share)
{
	host_share_order(share, m->share);
	(void)control_say(m, m->share); /* or when there is a connection */
}

int host_machine_balloon_order(struct host_machine *m, int64_t mib)
{
	char line[64];
	int r;

	if (m->snapshotting)
		return -EBUSY;
	if (mib >= 0)
		snprintf(line, sizeof(line), "{\"op\":\"balloon\",\"target_mib\":%" PRId64 "}\n",
			 mib);
	else
		snprintf(line, sizeof(line), "{\"op\":\"balloon\"}\n");
	r = control_say(m, line);
	if (r == 0)
		m->asked_ms = clock_ms();
	return r;
}

void host_machine_passed_ask(struct host_machine *m)
{
	if (!m->snapshotting)
		(void)control_say(m, "{\"op\":\"limits\"}\n");
}

bool host_machine_passed(const struct host_machine *m, struct host_passed *p)
{
	*p = m->passed;
	return p->ms > 0;
}

bool host_machine_balloon(const struct host_machine *m, struct host_balloon_status *s)
{
	if (m->ballooned)
		*s = m->balloon;
	return m->ballooned;
}

void host_machine_kill(struct host_machine *m)
{
	host_proc_signal(&m->proc, SIGKILL);
}

/* ---- life ---- */

static void on_proc(void *arg, int fd, unsigned events)
{
	struct host_machine *m = arg;
	struct host_ended end;
	struct host_exit x;

	(void)fd, (void)events;
	if (!host_proc_ended(&m->proc, &x))
		return;
	loop_io_del(m->proc_io);
	m->proc_io = NULL;
	control_close(m);
	loop_timer_set(m->reconnect, -1);
	host_group_remove(m->group);
	obituary(m->driver, m->dir, &x, &end);
	m->ev.ended(m->ev.arg, &end);
}

void host_machine_free(struct host_machine *m)
{
	if (!m)
		return;
	control_close(m);
	loop_io_del(m->proc_io);
	loop_timer_del(m->reconnect);
	host_proc_fini(&m->proc);
	free(m);
}

static struct host_machine *machine_new(const struct host_driver *drv,
					const struct host_machine_spec *s, struct host_proc proc)
{
	struct host_machine *m = calloc(1, sizeof(*m));

	if (!m) {
		host_proc_fini(&proc);
		return NULL;
	}
	m->driver = drv;
	m->loop = s->loop;
	m->ev = s->ev;
	m->proc = proc;
	m->control = -1;
	m->reconnect_ms = CONNECT_FIRST_MS;
	buf_init(&m->in, LINE_MAX_BYTES);
	snprintf(m->id, sizeof(m->id), "%s", s->id);
	snprintf(m->dir, sizeof(m->dir), "%s", s->dir);
	snprintf(m->socket, sizeof(m->socket), "unix:%s/control.sock", s->run);
	m->reconnect = loop_timer_add(s->loop, 0, control_connect, m);
	m->proc_io = loop_io_add(s->loop, proc.pidfd, LOOP_READ, on_proc, m);
	if (!m->reconnect || !m->proc_io) {
		host_machine_free(m);
		return NULL;
	}
	return m;
}

static void remove_stale(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), dir, name) == 0)
		unlink(path);
}

/* Memory that comes from a file is a private mapping, and so is one for KSM or huge pages: they
 * count as data. */
static int data_limit(const struct host_machine_spec *s)
{
	int mib = s->config->limit_data_mib;

	bool counts = s->clone || s->resume || s->share.merge || s->share.huge;

	return mib && counts ? mib + s->memory_mib : mib;
}

/* Where an administrator's group takes them all it is that one's to say. */
static void group_for(const struct host_driver *drv, const struct host_machine_spec *s,
		      char dir[PATH_MAX])
{
	dir[0] = 0;
	if (drv->weighed && !s->config->cgroup)
		host_group_for(s->id, dir);
}

int host_machine_start(const struct host_driver *drv, const struct host_machine_spec *s,
		       struct host_machine **out, struct err *e)
{
	struct host_argv a = {0};
	struct host_proc proc;
	char log[PATH_MAX], group[PATH_MAX];
	int r = path_join(log, sizeof(log), s->dir, drv->log);

	if (r == 0 && drv->prepare && (r = drv->prepare(s, e)) < 0)
		return r;
	if (r == 0)
		r = drv->argv(s, &a);
	if (r < 0) {
		host_argv_free(&a);
		return err_set(e, r, "command line: %s", strerror(-r));
	}
	/* So that what is there after the start is of this run. */
	remove_stale(s->dir, "exit.json");
	remove_stale(s->run, "control.sock");
	remove_stale(s->run, "surface.sock");
	group_for(drv, s, group);
	r = host_proc_spawn(&(struct host_spawn){.argv = (const char *const *)a.v,
						 .log = log,
						 .cgroup = s->config->cgroup,
						 .group = group,
						 .data_mib = data_limit(s),
						 .files = 1024,
						 .commit = s->ev.starting,
						 .arg = s->ev.arg},
			    &proc, e);
	host_argv_free(&a);
	if (r < 0) {
		host_group_remove(group);
		return r;
	}
	*out = machine_new(drv, s, proc);
	if (*out) {
		memcpy((*out)->group, group, sizeof(group));
		return 0;
	}
	kill(proc.pid, SIGKILL); /* our child, not reaped: the pid is still its own */
	return err_set(e, -ENOMEM, "no memory");
}

int host_machine_adopt(const struct host_driver *drv, const struct host_machine_spec *s, pid_t pid,
		       uint64_t started, struct host_machine **out)
{
	struct host_proc proc;
	char group[PATH_MAX];
	int r = host_proc_adopt(pid, started, &proc);

	group_for(drv, s, group);
	if (r < 0) {
		host_group_remove(group); /* what was left of it */
		return r;
	}
	host_group_join(group, pid); /* one that an agent of before started */
	*out = machine_new(drv, s, proc);
	if (*out)
		memcpy((*out)->group, group, sizeof(group));
	return *out ? 0 : -ENOMEM;
}

const struct host_proc *host_machine_proc(const struct host_machine *m)
{
	return &m->proc;
}
