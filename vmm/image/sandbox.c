/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sandbox.h. The allow-list is what qemu-img 7.2 and debugfs 1.47 use with glibc 2.36, found by
 * strace, with room for neighbours of the same kind; everything else fails with ENOSYS, which glibc
 * takes for an older kernel. Started by root, the tool runs as uid 0 without any capability, in a
 * user namespace, so it can read what root put there and nothing else.
 */
#include "vmm/image/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "common/loop.h"

#define TICK_MS	     200
#define TIMEOUT_S    60
#define ARGS_MAX     64
#define MEMORY_LIMIT (3ull << 30) /* address space: qemu-img maps threads and coroutine stacks */
#define WORDS_MAX    300	  /* bytes of the tool's complaint that are shown */

static const int allowed[] = {
	SCMP_SYS(access),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(execve),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fallocate),
	SCMP_SYS(fchmod),
	SCMP_SYS(fcntl),
	SCMP_SYS(fdatasync),
	SCMP_SYS(flock),
	SCMP_SYS(fstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(ioctl),
	SCMP_SYS(kill),
	SCMP_SYS(lseek),
	SCMP_SYS(lstat),
	SCMP_SYS(madvise),
	SCMP_SYS(membarrier),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(prctl),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(prlimit64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readv),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(signalfd4),
	SCMP_SYS(stat),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	SCMP_SYS(sysinfo),
	SCMP_SYS(tgkill),
	SCMP_SYS(timer_create),
	SCMP_SYS(timer_delete),
	SCMP_SYS(timer_settime),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(umask),
	SCMP_SYS(uname),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

struct run {
	const struct img_sandbox *s;
	pid_t pid;
	int out, err;	  /* pipes, read ends; -1 when at their end */
	int64_t quiet_at; /* when silence has lasted too long */
	char words[WORDS_MAX + 1];
	size_t words_n;
};

static int filter_fd(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	cleanup_close int fd = memfd_create("filter", 0);
	int r = f && fd >= 0 ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_LEN(allowed) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_export_bpf(f, fd);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	seccomp_release(f);
	return r < 0 ? r : steal_fd(&fd);
}

static void limit(int what, rlim_t v)
{
	struct rlimit l = {v, v};

	if (setrlimit(what, &l) < 0)
		_exit(125);
}

static _Noreturn void child(const struct img_sandbox *s, const char *const argv[], int out, int err,
			    int filter)
{
	const char *a[ARGS_MAX] = {"bwrap",
				   "--unshare-all",
				   "--die-with-parent",
				   "--new-session",
				   "--uid",
				   "65534",
				   "--gid",
				   "65534",
				   "--cap-drop",
				   "ALL",
				   "--ro-bind",
				   "/usr",
				   "/usr",
				   "--symlink",
				   "usr/lib",
				   "/lib",
				   "--symlink",
				   "usr/lib64",
				   "/lib64",
				   "--symlink",
				   "usr/bin",
				   "/bin",
				   "--symlink",
				   "usr/sbin",
				   "/sbin",
				   "--ro-bind-try",
				   "/etc/ld.so.cache",
				   "/etc/ld.so.cache",
				   "--dev",
				   "/dev",
				   "--dir",
				   "/tmp",
				   "--chdir",
				   "/tmp",
				   "--ro-bind",
				   s->in,
				   "/in/disk",
				   "--seccomp"};
	size_t n = 0;
	char num[16];
	sigset_t none;

	while (a[n])
		n++;
	snprintf(num, sizeof(num), "%d", filter);
	a[n++] = num;
	if (s->out_dir) {
		a[n++] = "--bind";
		a[n++] = s->out_dir;
		a[n++] = "/out";
	}
	a[n++] = "--";
	while (*argv && n + 1 < ARGS_MAX)
		a[n++] = *argv++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(125);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_AS, MEMORY_LIMIT);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_FSIZE, s->file_bytes);
	char *env[] = {(char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, (char[]){"LC_ALL=C"}, NULL};
	char *const *args = (char *const *)(uintptr_t)a;

	execvpe("bwrap", args, env);
	dprintf(2, "bwrap (package bubblewrap) cannot be started: %s", strerror(errno));
	_exit(126);
}

static int start(struct run *r, const char *const argv[])
{
	cleanup_close int out_r = -1, out_w = -1, err_r = -1, err_w = -1, filter = -1;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	out_r = p[0], out_w = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	err_r = p[0], err_w = p[1];
	filter = filter_fd();
	if (filter < 0)
		return filter;
	r->pid = fork();
	if (r->pid < 0)
		return -errno;
	if (r->pid == 0)
		child(r->s, argv, out_w, err_w, filter);
	r->out = steal_fd(&out_r);
	r->err = steal_fd(&err_r);
	return 0;
}

/* The tool's last words are shown to a person: one line, printable. */
static void keep_words(struct run *r, const char *p, size_t n)
{
	for (; n > 0 && r->words_n < WORDS_MAX; n--, p++)
		r->words[r->words_n++] = *p == '\n' ? ' ' : *p < 0x20 || *p > 0x7e ? '?' : *p;
	r->words[r->words_n] = 0;
}

static int take(struct run *r, int *fd, bool words)
{
	char buf[4096];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return 0;
	}
	r->quiet_at = clock_ms() + 1000ll * (r->s->timeout_s ? r->s->timeout_s : TIMEOUT_S);
	if (words)
		keep_words(r, buf, (size_t)n);
	else if (r->s->output)
		return r->s->output(r->s->arg, buf, (size_t)n);
	return 0;
}

static int watch(struct run *r)
{
	int64_t next = clock_ms() + TICK_MS;
	int rc = 0;

	r->quiet_at = clock_ms() + 1000ll * (r->s->timeout_s ? r->s->timeout_s : TIMEOUT_S);
	while (rc == 0 && (r->out >= 0 || r->err >= 0)) {
		struct pollfd p[3] = {
			{r->out, POLLIN, 0}, {r->err, POLLIN, 0}, {r->s->cancel_fd, POLLIN, 0}};

		if (poll(p, 3, TICK_MS) < 0 && errno != EINTR)
			return -errno;
		if (p[2].revents)
			return -ECANCELED;
		if (p[0].revents)
			rc = take(r, &r->out, false);
		if (rc == 0 && p[1].revents)
			rc = take(r, &r->err, true);
		if (rc == 0 && clock_ms() > r->quiet_at)
			rc = -ETIMEDOUT;
		if (rc == 0 && r->s->tick && clock_ms() >= next) {
			rc = r->s->tick(r->s->arg);
			next = clock_ms() + TICK_MS;
		}
	}
	return rc;
}

int img_sandbox_run(const struct img_sandbox *s, const char *const argv[], struct err *e)
{
	struct run r = {.s = s, .out = -1, .err = -1};
	int rc = start(&r, argv), status = 0;

	if (rc < 0)
		return err_set(e, rc, "starting %s: %s", argv[0], strerror(-rc));
	rc = watch(&r);
	if (rc < 0)
		kill(r.pid, SIGKILL); /* --die-with-parent takes the tool along */
	if (r.out >= 0)
		close(r.out);
	if (r.err >= 0)
		close(r.err);
	while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc == -ETIMEDOUT)
		return err_setw(e, rc, "image.stuck", "%s made no progress for %d seconds", argv[0],
				s->timeout_s ? s->timeout_s : TIMEOUT_S);
	if (rc < 0)
		return rc; /* whoever ended it has said why */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_setw(e, -EIO, "image.tool", "%s failed%s%s", argv[0], r.words_n ? ": " : "",
			r.words);
}
