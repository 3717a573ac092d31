/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The supervisor; see supervisor.h. Listeners are opened here, one set a worker (SO_REUSEPORT), and
 * stay open here: connections that arrive while a crashed worker is being replaced wait in its
 * listeners' queues. A worker that dies young is replaced after a pause, so that a broken
 * configuration does not spin. A worker whose parent dies gets SIGTERM and drains.
 */
#include "gateway/supervisor.h"
#include "gateway/jail.h"
#include "gateway/files.h"
#include "gateway/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define YOUNG_MS	2000
#define RESTART_MS	1000
#define DRAIN_MARGIN_MS 2000

struct child {
	pid_t pid; /* 0 = not running */
	int64_t started_ms, restart_at_ms;
	struct gw_listener listeners[GW_LISTENERS_MAX]; /* descriptors owned */
	unsigned n_listeners;
};

struct supervisor {
	const struct gw_config *conf; /* borrowed */
	struct gw_limits *limits;     /* owned */
	struct gw_files *files;	      /* owned; NULL without a console */
	struct child children[GW_WORKERS_MAX];
	unsigned n;
	bool draining;
	int64_t drain_end_ms;
	sigset_t signals;
};

static unsigned worker_count(const struct gw_config *c)
{
	long n = c->workers ? c->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > GW_WORKERS_MAX ? GW_WORKERS_MAX : (unsigned)n;
}

/* ---- listeners ---- */

/* Opens addr once for every worker. A port 0 is chosen once and then shared. */
static int listen_all(struct supervisor *s, enum gw_proto proto, const char *addr, struct err *e)
{
	char bound[SOCK_ADDR_MAX];
	int probe;

	/* SO_REUSEPORT would let us in beside a gateway that runs already. */
	probe = sock_listen(addr, SOCK_STREAM, false, 0, e);
	if (probe < 0)
		return probe;
	close(probe);
	for (unsigned i = 0; i < s->n; i++) {
		struct child *c = &s->children[i];
		int fd;

		if (c->n_listeners == GW_LISTENERS_MAX)
			return err_set(e, -E2BIG, "more than %d listeners", GW_LISTENERS_MAX);
		fd = sock_listen(i ? bound : addr, SOCK_STREAM, s->n > 1, 0, e);
		if (fd < 0)
			return fd;
		c->listeners[c->n_listeners++] = (struct gw_listener){.proto = proto, .fd = fd};
		if (i == 0 && sock_name(fd, bound))
			return err_set(e, -EINVAL, "cannot tell the address of %s", addr);
	}
	log_info("listen", "proto=%s addr=%s", gw_proto_name(proto), bound);
	return 0;
}

static int open_listeners(struct supervisor *s, struct err *e)
{
	char **lists[] = {s->conf->rdp_listen, s->conf->rfb_listen, s->conf->https_listen};
	static const enum gw_proto protos[] = {GW_RDP, GW_RFB, GW_HTTPS};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (char **a = lists[i]; a && *a; a++) {
			int r = listen_all(s, protos[i], *a, e);

			if (r)
				return r;
		}
	return 0;
}

static void close_listeners(struct child *c)
{
	for (unsigned i = 0; i < c->n_listeners; i++)
		close(c->listeners[i].fd);
	c->n_listeners = 0;
}

/* ---- workers ---- */

static int worker_main(struct supervisor *s, unsigned index, pid_t parent, struct err *e)
{
	struct child *c = &s->children[index];
	struct gw_worker w = {.conf = s->conf,
			      .limits = s->limits,
			      .files = s->files,
			      .index = index,
			      .listeners = c->listeners,
			      .n_listeners = c->n_listeners};
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return 0;
	for (unsigned i = 0; i < s->n; i++)
		if (i != index)
			close_listeners(&s->children[i]);
	r = gw_worker_init(&w, e);
	if (!r)
		r = gw_jail_filter(e);
	if (!r)
		r = gw_worker_run(&w);
	gw_worker_fini(&w);
	return r;
}

/* 1 in the new worker, with its result in *result; 0 in the parent. */
static int spawn(struct supervisor *s, unsigned index, int *result, struct err *e)
{
	struct child *c = &s->children[index];
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		*result = worker_main(s, index, parent, e);
		return 1;
	}
	c->started_ms = clock_ms();
	if (pid < 0) {
		log_err("worker.start", "worker=%u error=%s", index, strerror(errno));
		c->restart_at_ms = c->started_ms + RESTART_MS;
		return 0;
	}
	c->pid = pid;
	log_info("worker.start", "worker=%u pid=%d", index, (int)pid);
	return 0;
}

static void log_exit(unsigned index, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_err("worker.crash", "worker=%u pid=%d signal=%d", index, (int)pid,
			WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_err("worker.exit", "worker=%u pid=%d code=%d", index, (int)pid,
			WEXITSTATUS(status));
	else
		log_info("worker.exit", "worker=%u pid=%d code=0", index, (int)pid);
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < s->n; i++) {
			struct child *c = &s->children[i];
			int64_t now = clock_ms();

			if (c->pid != pid)
				continue;
			log_exit(i, pid, status);
			c->pid = 0;
			gw_limits_forget(s->limits, i);
			c->restart_at_ms = now - c->started_ms < YOUNG_MS ? now + RESTART_MS : now;
		}
}

static unsigned running(const struct supervisor *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->children[i].pid > 0;
	return n;
}

static void signal_all(struct supervisor *s, int signo)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->children[i].pid > 0)
			kill(s->children[i].pid, signo);
}

static void start_drain(struct supervisor *s)
{
	if (!s->draining) {
		log_info("drain", "workers=%u ms=%d", running(s), s->conf->drain_ms);
		for (unsigned i = 0; i < s->n; i++)
			close_listeners(&s->children[i]);
		s->drain_end_ms = clock_ms() + s->conf->drain_ms + DRAIN_MARGIN_MS;
	}
	s->draining = true;
	signal_all(s, SIGTERM);
}

/* Waits for a signal, or until a worker is due; returns the signal or 0. */
static int wait_signal(const struct supervisor *s)
{
	int64_t now = clock_ms(), due = now + 60000;
	struct timespec ts;
	int signo;

	for (unsigned i = 0; i < s->n && !s->draining; i++)
		if (!s->children[i].pid && s->children[i].restart_at_ms < due)
			due = s->children[i].restart_at_ms;
	if (s->draining && s->drain_end_ms < due)
		due = s->drain_end_ms;
	if (due < now)
		due = now;
	ts = (struct timespec){.tv_sec = (due - now) / 1000,
			       .tv_nsec = (due - now) % 1000 * 1000000};
	signo = sigtimedwait(&s->signals, NULL, &ts);
	return signo < 0 ? 0 : signo;
}

/* 1 in a worker's process once it is done. */
static int supervise(struct supervisor *s, int *result, struct err *e)
{
	while (!s->draining || running(s)) {
		for (unsigned i = 0; i < s->n && !s->draining; i++)
			if (!s->children[i].pid && s->children[i].restart_at_ms <= clock_ms() &&
			    spawn(s, i, result, e))
				return 1;
		switch (wait_signal(s)) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGHUP:
			signal_all(s, SIGHUP);
			break;
		case SIGTERM:
		case SIGINT:
			start_drain(s);
			break;
		default:
			break;
		}
		if (s->draining && clock_ms() >= s->drain_end_ms)
			signal_all(s, SIGKILL);
	}
	return 0;
}

/* ---- life ---- */

static int supervisor_open(struct supervisor *s, const struct gw_config *c, struct err *e)
{
	struct gw_worker probe = {.conf = c};
	int r;

	*s = (struct supervisor){.conf = c, .n = worker_count(c)};
	s->limits = gw_limits_new(&(struct gw_limits_params){
		.per_source_max = c->per_source_max, .max_connections = c->max_connections});
	if (!s->limits)
		return err_set(e, -ENOMEM, "out of memory");
	if (c->console) {
		s->files = gw_files_load(c->console, e);
		if (!s->files)
			return e->code;
	}
	r = gw_worker_load_tls(&probe, e); /* say now what every worker would say */
	SSL_CTX_free(probe.public_tls);
	SSL_CTX_free(probe.https_tls);
	SSL_CTX_free(probe.host_tls);
	return r ? r : open_listeners(s, e);
}

static void supervisor_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n; i++)
		close_listeners(&s->children[i]);
	gw_limits_free(s->limits);
	gw_files_free(s->files);
	free(s);
}

int gw_supervisor_check(const struct gw_config *c, struct err *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int r = s ? supervisor_open(s, c, e) : -ENOMEM;

	if (s)
		supervisor_close(s);
	return r;
}

int gw_supervisor_run(const struct gw_config *c, bool *worker, struct err *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int r, result = 0;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	r = supervisor_open(s, c, e);
	if (!r) {
		sigemptyset(&s->signals);
		sigaddset(&s->signals, SIGCHLD);
		sigaddset(&s->signals, SIGTERM);
		sigaddset(&s->signals, SIGINT);
		sigaddset(&s->signals, SIGHUP);
		sigprocmask(SIG_BLOCK, &s->signals, NULL);
		log_info("ready", "workers=%u", s->n);
		*worker = supervise(s, &result, e);
		r = result;
	}
	if (!*worker) {
		supervisor_close(s);
	} else {
		gw_files_free(s->files);
		free(s);
	}
	return r;
}
