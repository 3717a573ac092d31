/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Spawning, adopting and following processes. The agent has a second thread, so between fork and
 * exec only async-signal-safe calls are made, and everything they need is prepared before. A failed
 * exec is told through a close-on-exec pipe. Main thread.
 */
#include "vmm/host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "common/file.h"
#include "vmm/host/group.h"

uint64_t host_proc_start_time(pid_t pid)
{
	char path[64];
	cleanup_free char *text = NULL;
	char *p, *save = NULL;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(path, 4096, &text, &len, NULL) < 0)
		return 0;
	p = strrchr(text, ')'); /* the name before it may hold anything */
	if (!p)
		return 0;
	p = strtok_r(p + 1, " ", &save);
	for (int field = 3; p && field < 22; field++)
		p = strtok_r(NULL, " ", &save);
	return p ? strtoull(p, NULL, 10) : 0;
}

int host_boot_id(char out[40])
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = file_read("/proc/sys/kernel/random/boot_id", 64, &text, &len, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	if (strlen(text) >= 40)
		return -EINVAL;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static void limit(int what, rlim_t v)
{
	struct rlimit l = {.rlim_cur = v, .rlim_max = v}, now;

	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < v)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	(void)setrlimit((__rlimit_resource_t)what, &l);
}

static _Noreturn void child_fail(int report)
{
	int no = errno;

	(void)!write(report, &no, sizeof(no));
	_exit(127);
}

struct child {
	int null_fd, log_fd, cgroup_fd; /* borrowed */
	int go, report;			/* pipe ends: may run; why it could not */
};

/* In the child: async-signal-safe calls only. */
static _Noreturn void child_run(const struct host_spawn *s, const struct child *c)
{
	sigset_t none;
	char go;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, (rlim_t)s->files);
	if (s->data_mib)
		limit(RLIMIT_DATA, (rlim_t)s->data_mib << 20);
	if (c->cgroup_fd >= 0 && write(c->cgroup_fd, "0", 1) < 0)
		child_fail(c->report);
	if (dup2(c->null_fd, 0) < 0 || dup2(c->log_fd, 1) < 0 || dup2(c->log_fd, 2) < 0)
		child_fail(c->report);
	if (read(c->go, &go, 1) != 1)
		_exit(127); /* the agent died or could not write us down */
	execv(s->argv[0], (char *const *)(uintptr_t)s->argv);
	child_fail(c->report);
}

static int open_cgroup(const struct host_spawn *s, int *fd, struct err *e)
{
	char path[512];

	if (!s->cgroup)
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.procs", s->cgroup);
	*fd = open(path, O_WRONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Writes the process down, lets it go, and hears whether it could run. */
static int spawn_release(const struct host_spawn *s, const struct host_proc *p, int go, int report,
			 struct err *e)
{
	int no = 0;
	int r = s->commit ? s->commit(s->arg, p) : 0;

	if (s->group)
		host_group_join(s->group, p->pid);
	if (r < 0)
		return err_set(e, r, "cannot note down the new process: %s", strerror(-r));
	if (write(go, "g", 1) != 1)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	if (read(report, &no, sizeof(no)) == sizeof(no))
		return err_set(e, -no, "cannot run %s: %s", s->argv[0], strerror(no));
	return 0;
}

static int spawn_fork(const struct host_spawn *s, struct child *c, int go, int report,
		      struct host_proc *p, struct err *e)
{
	pid_t pid = fork();
	int r;

	if (pid < 0)
		return err_set(e, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(go); /* else our own copy would keep the pipe open */
		child_run(s, c);
	}
	close(steal_fd(&c->report));
	close(steal_fd(&c->go));
	*p = (struct host_proc){.pid = pid,
				.pidfd = pidfd_open(pid, 0),
				.started = host_proc_start_time(pid),
				.child = true};
	r = p->pidfd < 0 ? err_set(e, -errno, "pidfd_open: %s", strerror(errno))
			 : spawn_release(s, p, go, report, e);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		host_proc_fini(p);
	}
	return r;
}

int host_proc_spawn(const struct host_spawn *s, struct host_proc *p, struct err *e)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int log_fd = -1, cgroup_fd = -1, go = -1, report = -1;
	int go_fd[2], report_fd[2], r;
	struct child c;

	*p = HOST_PROC_NONE;
	log_fd = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (null_fd < 0 || log_fd < 0)
		return err_set(e, -errno, "%s: %s", s->log, strerror(errno));
	if ((r = open_cgroup(s, &cgroup_fd, e)) < 0)
		return r;
	if (pipe2(go_fd, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	go = go_fd[1];
	if (pipe2(report_fd, O_CLOEXEC) < 0) {
		r = err_set(e, -errno, "pipe: %s", strerror(errno));
		close(go_fd[0]);
		return r;
	}
	report = report_fd[0];
	c = (struct child){null_fd, log_fd, cgroup_fd, go_fd[0], report_fd[1]};
	r = spawn_fork(s, &c, go, report, p, e);
	if (c.go >= 0) /* fork itself failed */
		close(c.go);
	if (c.report >= 0)
		close(c.report);
	return r;
}

int host_proc_adopt(pid_t pid, uint64_t started, struct host_proc *p)
{
	cleanup_close int fd = -1;

	*p = HOST_PROC_NONE;
	if (pid <= 1 || started == 0)
		return -ESRCH;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return -errno;
	/* The start time is read after the pidfd is held: from here the pid cannot be reused. */
	if (host_proc_start_time(pid) != started)
		return -ESRCH;
	*p = (struct host_proc){.pid = pid, .started = started, .pidfd = steal_fd(&fd)};
	return 0;
}

bool host_proc_ended(struct host_proc *p, struct host_exit *x)
{
	struct pollfd pfd = {.fd = p->pidfd, .events = POLLIN};
	siginfo_t si = {0};

	*x = (struct host_exit){.code = -1};
	if (poll(&pfd, 1, 0) != 1)
		return false;
	if (!p->child)
		return true;
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
		return true;
	x->known = true;
	if (si.si_code == CLD_EXITED)
		x->code = si.si_status;
	else
		x->signal = si.si_status;
	return true;
}

void host_proc_signal(const struct host_proc *p, int signo)
{
	if (p->pidfd >= 0)
		(void)pidfd_send_signal(p->pidfd, signo, NULL, 0);
}

void host_proc_fini(struct host_proc *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	*p = HOST_PROC_NONE;
}
