/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sandbox.h. An allow-list, and three kinds of "no" beside it: what only an intruder asks for
 * ends the process; files and sockets, which libraries try for optional things, fail quietly; a
 * call nobody thought of fails with EPERM and is named in the log, as a viewer that dies on a
 * library's new, harmless call helps nobody. Landlock keeps the files away a second time.
 */
#include "display/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <freerdp/freerdp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <winpr/ssl.h>
#include "common/landlock.h"
#include "common/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED false
#else
#define FILTERED true
#endif

#define ADDRESS_SPACE (6ull << 30) /* reserved: 16 viewers of an 8K screen fit */
#define DATA	      (2ull << 30) /* used: seven do */

static const int allowed[] = {
	/* descriptors it has */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(preadv), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(ftruncate), /* of a memfd */
	SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
	SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	/* such as name nothing outside */
	SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(memfd_create),
	/* memory; mmap and mprotect below */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	/* threads and time; clone below */
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(wait4), /* for the dialer, at the end */
};

static const int dialer_calls[] = {
	SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),	    SCMP_SYS(connect),
	SCMP_SYS(close),    SCMP_SYS(exit_group),   SCMP_SYS(brk),
	SCMP_SYS(munmap),   SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
};

/* Tried by libraries for optional things. */
static const int files[] = {
	SCMP_SYS(open),	  SCMP_SYS(openat),	SCMP_SYS(openat2), SCMP_SYS(creat),
	SCMP_SYS(access), SCMP_SYS(faccessat),	SCMP_SYS(stat),	   SCMP_SYS(lstat),
	SCMP_SYS(statx),  SCMP_SYS(readlink),	SCMP_SYS(getcwd),  SCMP_SYS(readlinkat),
	SCMP_SYS(unlink), SCMP_SYS(faccessat2), SCMP_SYS(mkdir),
};

static const int network[] = {
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
};

static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(personality),
	SCMP_SYS(acct),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(modify_ldt),
};

/* ---- system calls -------------------------------------------------------------------------- */

/* Names the call and makes it fail. Async-signal-safe. */
static void on_unlisted(int signo, siginfo_t *info, void *context)
{
	static const char head[] = "warn sandbox.denied syscall=";
	ucontext_t *u = context;
	char line[sizeof(head) + 4];
	int n = info->si_syscall;

	(void)signo;
	memcpy(line, head, sizeof(head) - 1);
	for (size_t i = sizeof(head) + 2; i >= sizeof(head) - 1; i--, n /= 10)
		line[i] = (char)('0' + n % 10);
	line[sizeof(head) + 3] = '\n';
	(void)!write(STDERR_FILENO, line, sizeof(head) + 4);
	u->uc_mcontext.gregs[REG_RAX] = -EPERM;
}

static int add(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(f, action, calls[i], 0);
	return r;
}

static int add_if(scmp_filter_ctx f, int call, struct scmp_arg_cmp test)
{
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &test);
}

/* What depends on an argument: memory that can be run, what is no thread, other processes. */
static int add_bounded(scmp_filter_ctx f)
{
	static const int fcntls[] = {F_GETFD, F_SETFD,	   F_GETFL,	F_SETFL,
				     F_DUPFD, F_ADD_SEALS, F_GET_SEALS, F_DUPFD_CLOEXEC};
	static const unsigned long ioctls[] = {FIONREAD, FIONBIO, TCGETS};
	int r = add_if(f, SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r == 0)
		r = add_if(f, SCMP_SYS(mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = add_if(
			f, SCMP_SYS(clone),
			SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_NEWUSER, CLONE_THREAD));
	if (r == 0) /* its arguments cannot be looked at: libc falls back to clone */
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = add_if(f, SCMP_SYS(tgkill), SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (r == 0)
		r = add_if(f, SCMP_SYS(prctl), SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME, 0));
	if (r == 0) /* fstat() */
		r = add_if(f, SCMP_SYS(newfstatat),
			   SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
				     SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
	for (size_t i = 0; i < ARRAY_LEN(fcntls) && r == 0; i++)
		r = add_if(f, SCMP_SYS(fcntl), SCMP_A1_64(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i], 0));
	for (size_t i = 0; i < ARRAY_LEN(ioctls) && r == 0; i++)
		r = add_if(f, SCMP_SYS(ioctl), SCMP_A1_64(SCMP_CMP_EQ, ioctls[i], 0));
	return r;
}

static int load(scmp_filter_ctx f, int r, struct err *e)
{
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r < 0 ? err_set(e, r, "seccomp: %s", strerror(-r)) : 0;
}

static int filter_display(struct err *e)
{
	struct sigaction sa = {.sa_sigaction = on_unlisted, .sa_flags = SA_SIGINFO};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r;

	if (!f || sigaction(SIGSYS, &sa, NULL) < 0)
		return err_set(e, -ENOMEM, "seccomp: out of memory");
	r = add(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
	if (r == 0)
		r = add_bounded(f);
	if (r == 0)
		r = add(f, SCMP_ACT_ERRNO(EACCES), files, ARRAY_LEN(files));
	if (r == 0)
		r = add(f, SCMP_ACT_ERRNO(EPERM), network, ARRAY_LEN(network));
	if (r == 0)
		r = add(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
	return load(f, r, e);
}

static int filter_dialer(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!f)
		return err_set(e, -ENOMEM, "seccomp: out of memory");
	r = add(f, SCMP_ACT_ALLOW, dialer_calls, ARRAY_LEN(dialer_calls));
	if (r == 0)
		r = add_if(f, SCMP_SYS(socket), SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX, 0));
	if (r == 0)
		r = add(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
	return load(f, r, e);
}

/* ---- files, capabilities, limits ----------------------------------------------------------- */

static int no_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(e, -errno, "capabilities: %s", strerror(errno));
	return 0;
}

static int limit(__rlimit_resource_t what, rlim_t n, struct err *e)
{
	struct rlimit now, l = {n, n};

	if (getrlimit(what, &now) == 0 && now.rlim_max < n)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	if (setrlimit(what, &l) < 0)
		return err_set(e, -errno, "resource limits: %s", strerror(errno));
	return 0;
}

static int limits(struct err *e)
{
	int r = limit(RLIMIT_CORE, 0, e);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, -errno, "prctl: %s", strerror(errno));
	if (r == 0 && FILTERED)
		r = limit(RLIMIT_AS, ADDRESS_SPACE, e);
	if (r == 0 && FILTERED)
		r = limit(RLIMIT_DATA, DATA, e);
	return r;
}

void disp_sandbox_prepare(void)
{
	/* Without TZ libc looks at /etc/localtime for every time of day a library asks for. */
	setenv("TZ", "UTC0", 1);
	tzset();
	winpr_InitializeSSL(WINPR_SSL_INIT_DEFAULT);
}

int disp_sandbox_enter(struct err *e)
{
	int r = limits(e);

	if (r == 0)
		r = no_capabilities(e);
	if (!FILTERED && r == 0)
		log_warn("sandbox.off", "why=\"sanitizer build\"");
	if (FILTERED && r == 0)
		r = landlock_files(NULL, 0, e);
	if (FILTERED && r == 0)
		r = filter_display(e);
	return r;
}

int disp_sandbox_dialer(struct err *e)
{
	int r = limits(e);

	if (FILTERED && r == 0)
		r = landlock_files(NULL, 0, e);
	if (FILTERED && r == 0)
		r = filter_dialer(e);
	return r;
}
