/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The supervisor; see supervisor.h. Theory of operation: it opens the ports and starts the keeper
 * of the keys, the workers and who tells Prometheus of them, and never touches a key or a
 * connection itself. The ports stay open here: connections that arrive while a crashed worker is
 * being replaced wait in its sockets' queues. So do the ends of the keeper's sockets, so that a new
 * keeper answers what the old one left. A process that dies young is replaced after a pause, so
 * that a broken configuration does not spin. A worker whose parent dies gets SIGTERM and drains.
 *
 * An upgrade (SIGUSR2) starts the program that now lies where ours lay (handover.c); once it
 * serves, our ports are closed, our workers retire and we end with the last of them.
 */
#include "gateway/supervisor.h"
#include "common/metrics_server.h"
#include "gateway/jail.h"
#include "gateway/files.h"
#include "gateway/keeper.h"
#include "gateway/metrics.h"
#include "gateway/ports.h"
#include "gateway/stats.h"
#include "gateway/ticket_keys.h"
#include "gateway/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define YOUNG_MS	2000
#define RESTART_MS	1000
#define DRAIN_MARGIN_MS 2000
#define KEEPER_START_MS 20000
#define SUCCESSOR_MS	30000

enum {
	OURS, /* the end workers and supervisor use */
	KEEPERS
};

struct child {
	pid_t pid; /* 0 = not running */
	int64_t started_ms, restart_at_ms;
	int keeper[2]; /* owned */
};

struct supervisor {
	const struct gw_config *conf;	    /* borrowed */
	const char *path;		    /* borrowed: of the configuration */
	char program[4096];		    /* ours, as it was called at the start */
	struct gw_limits *limits;	    /* owned */
	struct gw_stats *stats;		    /* owned */
	struct gw_ticket_keys *ticket_keys; /* owned */
	struct gw_files *files;		    /* owned; NULL without a console */
	int64_t rotate_at_ms;
	struct gw_inherited inherited;
	struct gw_ports ports[GW_WORKERS_MAX];
	struct gw_ports metrics_ports;
	struct child workers[GW_WORKERS_MAX], keeper;
	struct child metrics; /* has no sockets to the keeper, and runs only with ports */
	unsigned n;
	int up[2]; /* owned: a byte from each worker that serves */
	unsigned ups;
	bool draining;
	int64_t drain_end_ms; /* 0 = none */
	pid_t successor;      /* 0 = none on its way */
	int successor_fd;     /* owned */
	int64_t successor_end_ms;
	sigset_t signals;
	int signal_fd; /* owned */
};

static unsigned worker_count(const struct gw_config *c)
{
	long n = c->workers ? c->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > GW_WORKERS_MAX ? GW_WORKERS_MAX : (unsigned)n;
}

/* ---- the processes: each returns its result where it runs ---- */

static void close_all_but(struct supervisor *s, const struct child *mine, bool keeper)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct child *c = &s->workers[i];

		if (c != mine)
			gw_ports_close(&s->ports[i]);
		if (!keeper)
			close(c->keeper[KEEPERS]);
		if (c != mine)
			close(c->keeper[OURS]);
	}
	close(s->keeper.keeper[OURS]);
	if (!keeper)
		close(s->keeper.keeper[KEEPERS]);
	if (mine != &s->metrics)
		gw_ports_close(&s->metrics_ports);
	close(s->signal_fd);
	close(s->up[0]);
	if (s->successor)
		close(s->successor_fd);
}

static int worker_main(struct supervisor *s, struct child *c, struct err *e)
{
	unsigned index = (unsigned)(c - s->workers);
	struct gw_worker w = {.conf = s->conf,
			      .limits = s->limits,
			      .files = s->files,
			      .ticket_keys = s->ticket_keys,
			      .keeper = c->keeper[OURS],
			      .index = index,
			      .listeners = s->ports[index].list,
			      .n_listeners = s->ports[index].n};
	int r;

	close_all_but(s, c, false);
	gw_stats_worker(s->stats, index);
	r = gw_worker_init(&w, e);
	if (!r)
		r = gw_jail_worker(e);
	if (!r && write(s->up[1], "u", 1) != 1)
		r = err_set(e, -EPIPE, "the supervisor is gone");
	close(s->up[1]);
	if (!r)
		r = gw_worker_run(&w);
	gw_worker_fini(&w);
	return r;
}

static int keeper_main(struct supervisor *s, struct child *c, struct err *e)
{
	int socks[GW_WORKERS_MAX + 1] = {s->keeper.keeper[KEEPERS]};

	(void)c, (void)e;
	for (unsigned i = 0; i < s->n; i++)
		socks[i + 1] = s->workers[i].keeper[KEEPERS];
	close_all_but(s, NULL, true);
	close(s->up[1]);
	return gw_keeper_run(s->conf, socks, s->n + 1, s->stats);
}

static int metrics_main(struct supervisor *s, struct child *c, struct err *e)
{
	const struct gw_metrics g = {
		.conf = s->conf, .stats = s->stats, .limits = s->limits, .workers = s->n};
	int fds[METRICS_LISTEN_MAX];
	unsigned n = 0;

	close_all_but(s, c, false);
	close(s->up[1]);
	for (; n < s->metrics_ports.n && n < ARRAY_LEN(fds); n++)
		fds[n] = s->metrics_ports.list[n].fd;
	return gw_metrics_run(&g, fds, n, e);
}

static enum gw_process child_kind(const struct supervisor *s, const struct child *c)
{
	return c == &s->keeper	  ? GW_PROCESS_KEEPER
	       : c == &s->metrics ? GW_PROCESS_METRICS
				  : GW_PROCESS_WORKER;
}

static const char *child_name(const struct supervisor *s, const struct child *c, char out[24])
{
	if (c == &s->keeper)
		return "keeper";
	if (c == &s->metrics)
		return "metrics";
	snprintf(out, 24, "worker=%u", (unsigned)(c - s->workers));
	return out;
}

/* 1 in the new process, with its result in *result; 0 in the parent. */
static int spawn(struct supervisor *s, struct child *c, int *result, struct err *e)
{
	static int (*const mains[GW_PROCESSES])(struct supervisor *, struct child *,
						struct err *) = {worker_main, keeper_main,
								 metrics_main};
	static const char *const events[GW_PROCESSES] = {"worker.start", "keeper.start",
							 "metrics.start"};
	enum gw_process kind = child_kind(s, c);
	pid_t parent = getpid(), pid = fork();
	char name[24];

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, kind == GW_PROCESS_WORKER ? SIGTERM : SIGKILL);
		*result = getppid() != parent ? 0 : mains[kind](s, c, e);
		return 1;
	}
	c->started_ms = clock_ms();
	if (pid < 0) {
		log_err("worker.start", "%s error=%s", child_name(s, c, name), strerror(errno));
		c->restart_at_ms = c->started_ms + RESTART_MS;
		return 0;
	}
	c->pid = pid;
	log_info(events[kind], "%s pid=%d", child_name(s, c, name), (int)pid);
	return 0;
}

static void log_exit(const struct supervisor *s, const struct child *c, int status)
{
	char buf[24];
	const char *name = child_name(s, c, buf);

	if (WIFSIGNALED(status))
		log_err("worker.crash", "%s pid=%d signal=%d", name, (int)c->pid, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_err("worker.exit", "%s pid=%d code=%d", name, (int)c->pid, WEXITSTATUS(status));
	else
		log_info("worker.exit", "%s pid=%d code=0", name, (int)c->pid);
}

static struct child *child_of(struct supervisor *s, pid_t pid)
{
	if (pid == s->keeper.pid)
		return &s->keeper;
	if (pid == s->metrics.pid)
		return &s->metrics;
	for (unsigned i = 0; i < s->n; i++)
		if (s->workers[i].pid == pid)
			return &s->workers[i];
	return NULL;
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of(s, pid);
		int64_t now = clock_ms();

		if (!c)
			continue; /* a successor: its pipe tells */
		log_exit(s, c, status);
		c->pid = 0;
		gw_stats_death(s->stats, child_kind(s, c), status);
		if (child_kind(s, c) == GW_PROCESS_WORKER) {
			gw_limits_forget(s->limits, (unsigned)(c - s->workers));
			gw_stats_forget(s->stats, (unsigned)(c - s->workers));
		}
		c->restart_at_ms = now - c->started_ms < YOUNG_MS ? now + RESTART_MS : now;
	}
}

static unsigned running(const struct supervisor *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->workers[i].pid > 0;
	return n;
}

static void signal_all(struct supervisor *s, int signo)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->workers[i].pid > 0)
			kill(s->workers[i].pid, signo);
}

/* ---- what happens ---- */

/* Metrics are told no more: by a successor, or by nobody. */
static void end_metrics(struct supervisor *s)
{
	gw_ports_close(&s->metrics_ports);
	if (s->metrics.pid > 0)
		kill(s->metrics.pid, SIGKILL);
}

static void close_ports(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n; i++)
		gw_ports_close(&s->ports[i]);
}

static void start_drain(struct supervisor *s)
{
	log_info("drain", "workers=%u ms=%d", running(s), s->conf->drain_ms);
	close_ports(s);
	s->drain_end_ms = clock_ms() + s->conf->drain_ms + DRAIN_MARGIN_MS;
	s->draining = true;
	signal_all(s, SIGTERM);
}

static void reload(struct supervisor *s)
{
	struct err e = {0};

	if (gw_keeper_reload(s->keeper.keeper[OURS], &e))
		log_err("tls.reload", "result=kept-old why=%s", LOG_Q(e.msg));
	else
		signal_all(s, SIGHUP);
}

static void upgrade(struct supervisor *s)
{
	char *argv[] = {s->program, (char[]){"--config"}, (char *)(uintptr_t)s->path, NULL};
	cleanup_free struct gw_listener *all = calloc(GW_HANDOVER_MAX, sizeof(*all));
	struct err e = {0};
	unsigned n = 0;
	pid_t pid;

	if (s->draining || s->successor || !all)
		return;
	for (unsigned i = 0; i <= s->n; i++) {
		const struct gw_ports *p = i < s->n ? &s->ports[i] : &s->metrics_ports;

		for (unsigned j = 0; j < p->n && n < GW_HANDOVER_MAX; j++)
			all[n++] = p->list[j];
	}
	pid = gw_handover_start(s->program, argv, all, n, s->stats->upgrades + 1, &s->successor_fd,
				&e);
	if (pid < 0) {
		log_err("upgrade.failed", "why=%s", LOG_Q(e.msg));
		return;
	}
	log_info("upgrade.start", "pid=%d program=%s", (int)pid, LOG_Q(s->program));
	s->successor = pid;
	s->successor_end_ms = clock_ms() + SUCCESSOR_MS;
}

/* The successor serves, or it does not and never will. */
static void end_upgrade(struct supervisor *s, bool serves)
{
	close(s->successor_fd);
	if (!serves) {
		log_err("upgrade.failed", "pid=%d why=\"the new program did not come up\"",
			(int)s->successor);
		kill(s->successor, SIGTERM);
		s->successor = 0;
		return;
	}
	log_info("upgrade.done", "pid=%d", (int)s->successor);
	s->successor = 0;
	s->draining = true;
	close_ports(s);
	end_metrics(s);
	signal_all(s, SIGUSR2);
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		switch ((int)si.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGHUP:
			reload(s);
			break;
		case SIGUSR2:
			upgrade(s);
			break;
		default:
			start_drain(s);
			break;
		}
}

static void on_up(struct supervisor *s)
{
	char byte;

	while (read(s->up[0], &byte, 1) == 1)
		if (++s->ups == s->n) {
			log_info("ready", "workers=%u", s->n);
			gw_handover_ready(&s->inherited);
		}
}

/* It does not run and should. */
static bool is_missing(const struct supervisor *s, const struct child *c)
{
	if (c->pid || (c == &s->metrics && !s->metrics_ports.n))
		return false;
	return !s->draining || c == &s->keeper;
}

/* When something is due by itself. */
static int64_t next_due(const struct supervisor *s)
{
	int64_t due = s->rotate_at_ms;

	for (unsigned i = 0; i <= s->n + 1; i++) {
		const struct child *c = i < s->n    ? &s->workers[i]
					: i == s->n ? &s->keeper
						    : &s->metrics;

		if (is_missing(s, c) && c->restart_at_ms < due)
			due = c->restart_at_ms;
	}
	if (s->drain_end_ms && s->drain_end_ms < due)
		due = s->drain_end_ms;
	if (s->successor && s->successor_end_ms < due)
		due = s->successor_end_ms;
	return due;
}

static void wait_event(struct supervisor *s)
{
	struct pollfd fds[] = {{.fd = s->signal_fd, .events = POLLIN},
			       {.fd = s->up[0], .events = POLLIN},
			       {.fd = s->successor ? s->successor_fd : -1, .events = POLLIN}};
	int64_t left = next_due(s) - clock_ms();
	char byte;

	if (poll(fds, ARRAY_LEN(fds), left < 0 ? 0 : left > 60000 ? 60000 : (int)left) < 0)
		return;
	if (fds[0].revents)
		on_signal(s);
	if (fds[1].revents)
		on_up(s);
	if (fds[2].revents)
		end_upgrade(s, read(s->successor_fd, &byte, 1) == 1);
}

static void do_due(struct supervisor *s)
{
	int64_t now = clock_ms();

	if (now >= s->rotate_at_ms) {
		gw_ticket_keys_rotate(s->ticket_keys);
		s->rotate_at_ms = now + GW_TICKET_ROTATE_MS;
	}
	if (s->successor && now >= s->successor_end_ms)
		end_upgrade(s, false);
	if (s->drain_end_ms && now >= s->drain_end_ms)
		signal_all(s, SIGKILL);
}

/* Starts the keeper and waits for its word; 1 in the keeper once it is done. */
static int start_keeper(struct supervisor *s, int *result, struct err *e)
{
	int r = spawn(s, &s->keeper, result, e);

	if (r || !s->keeper.pid)
		return r;
	r = gw_keeper_wait(s->keeper.keeper[OURS], KEEPER_START_MS, e);
	if (r)
		*result = r;
	return 0;
}

/* 1 in a worker's or keeper's process once it is done. */
static int supervise(struct supervisor *s, int *result, struct err *e)
{
	if (start_keeper(s, result, e))
		return 1;
	while (!*result && (!s->draining || running(s))) {
		for (unsigned i = 0; i < s->n && !s->draining; i++)
			if (!s->workers[i].pid && s->workers[i].restart_at_ms <= clock_ms() &&
			    spawn(s, &s->workers[i], result, e))
				return 1;
		if (is_missing(s, &s->metrics) && s->metrics.restart_at_ms <= clock_ms() &&
		    spawn(s, &s->metrics, result, e))
			return 1;
		wait_event(s);
		do_due(s);
		if (!s->keeper.pid && s->keeper.restart_at_ms <= clock_ms()) {
			int r = 0;

			if (start_keeper(s, &r, e)) {
				*result = r;
				return 1;
			}
		}
	}
	return 0;
}

/* ---- life ---- */

static int open_sockets(struct supervisor *s, struct err *e)
{
	for (unsigned i = 0; i <= s->n; i++) {
		int *pair = i < s->n ? s->workers[i].keeper : s->keeper.keeper;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ||
		    gw_keeper_socket(pair[OURS]))
			return err_set(e, -errno, "socketpair: %s", strerror(errno));
	}
	if (pipe2(s->up, O_CLOEXEC | O_NONBLOCK))
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGCHLD);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGHUP);
	sigaddset(&s->signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &s->signals, NULL);
	s->signal_fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? err_set(e, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static int supervisor_open(struct supervisor *s, const struct gw_config *c, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", s->program, sizeof(s->program) - 1);

	s->conf = c;
	s->n = worker_count(c);
	s->signal_fd = -1;
	if (n <= 0)
		return err_set(e, -errno, "/proc/self/exe: %s", strerror(errno));
	s->program[n] = '\0';
	s->limits = gw_limits_new(&(struct gw_limits_params){
		.per_source_max = c->per_source_max, .max_connections = c->max_connections});
	s->ticket_keys = gw_ticket_keys_new();
	s->stats = gw_stats_new();
	if (!s->limits || !s->ticket_keys || !s->stats)
		return err_set(e, -ENOMEM, "out of memory");
	if (c->console) {
		s->files = gw_files_load(c->console, e);
		if (!s->files)
			return e->code;
	}
	s->stats->upgrades = s->inherited.upgrades;
	n = gw_ports_open(s->ports, s->n, c, &s->inherited, e);
	return n ? (int)n : gw_ports_open_metrics(&s->metrics_ports, c, &s->inherited, e);
}

static void supervisor_close(struct supervisor *s)
{
	if (s->keeper.pid > 0) {
		kill(s->keeper.pid, SIGKILL);
		waitpid(s->keeper.pid, NULL, 0);
	}
	close_ports(s);
	end_metrics(s);
	if (s->metrics.pid > 0)
		waitpid(s->metrics.pid, NULL, 0);
	gw_limits_free(s->limits);
	gw_stats_free(s->stats);
	gw_files_free(s->files);
	gw_ticket_keys_free(s->ticket_keys);
	free(s);
}

int gw_supervisor_check(const struct gw_config *c, struct err *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int r = s ? gw_keeper_check(c, e) : -ENOMEM;

	if (!r)
		r = supervisor_open(s, c, e);
	if (s)
		supervisor_close(s);
	return r;
}

int gw_supervisor_run(const struct gw_config *c, const char *path, bool *child, struct err *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int r, result = 0;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->path = path;
	r = gw_handover_take(&s->inherited, e);
	if (!r)
		r = supervisor_open(s, c, e);
	if (!r)
		r = open_sockets(s, e);
	if (!r) {
		*child = supervise(s, &result, e);
		r = result;
	}
	if (!*child) {
		supervisor_close(s);
	} else {
		gw_files_free(s->files);
		free(s);
	}
	return r;
}
