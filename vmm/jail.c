/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Allow-lists by libseccomp and Landlock. A call that is not listed is our bug or an attack: it
 * raises SIGSYS, which says its number and ends the process with status 5. openat() and its like
 * fail with EACCES instead, as libraries try them for optional files.
 * Sanitizer builds need calls of their own and run without the filter, and say so.
 */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "common/landlock.h"
#include "common/log.h"

#define OPEN_FILES 1024 /* a user-mode network connection is one descriptor */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED false
#else
#define FILTERED true
#endif

/* What a vCPU thread needs: the run loop, device registers (eventfds, the console log), malloc. */
static const int vcpu_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(pread64),
	SCMP_SYS(lseek),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(mprotect),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(close),
};

static const unsigned long vcpu_ioctls[] = {
	KVM_RUN,	   KVM_IRQ_LINE,
	KVM_SIGNAL_MSI,	   KVM_IOEVENTFD,
	KVM_GET_REGS,	   KVM_SET_USER_MEMORY_REGION, /* a framebuffer moves with its BAR */
	KVM_GET_DIRTY_LOG, KVM_GET_MP_STATE,
	KVM_SET_MP_STATE,
};

/* A snapshot reads what KVM keeps; a descriptor that was passed says what it is. The main thread's
 * alone. */
static const unsigned long main_ioctls[] = {
	BLKGETSIZE64,	   TUNGETIFF,		TUNSETOFFLOAD,		TUNSETVNETHDRSZ,
	KVM_GET_CPUID2,	   KVM_GET_MP_STATE,	KVM_GET_SREGS,		KVM_GET_XSAVE,
	KVM_GET_XSAVE2,	   KVM_GET_XCRS,	KVM_GET_DEBUGREGS,	KVM_GET_LAPIC,
	KVM_GET_MSRS,	   KVM_GET_IRQCHIP,	KVM_GET_PIT2,		KVM_GET_CLOCK,
	KVM_KVMCLOCK_CTRL, KVM_GET_VCPU_EVENTS, KVM_GET_MSR_INDEX_LIST,
};

/* The main thread and I/O threads besides: the loop, disks, the surface and control sockets. */
static const int main_calls[] = {
	SCMP_SYS(epoll_wait),	   SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),	   SCMP_SYS(accept4),
	SCMP_SYS(sendmsg),	   SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),	   SCMP_SYS(recvfrom),
	SCMP_SYS(pwrite64),	   SCMP_SYS(preadv),
	SCMP_SYS(pwritev),	   SCMP_SYS(readv),
	SCMP_SYS(writev),	   SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2),	   SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),	   SCMP_SYS(fallocate),
	SCMP_SYS(fstat),	   SCMP_SYS(fcntl),
	SCMP_SYS(memfd_create),	   SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_create), /* from here: a device that is plugged in later */
	SCMP_SYS(flock),	   SCMP_SYS(eventfd2),
	SCMP_SYS(getrandom),	   SCMP_SYS(poll),
	SCMP_SYS(ppoll),	   SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),	   SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list), SCMP_SYS(unlink),
	SCMP_SYS(uname),	   SCMP_SYS(io_uring_enter),
	SCMP_SYS(epoll_create1), /* the loop of a network card that is plugged in */
};

/* A disk's thread with a ring: its loop, the guest's notifications and interrupts, a limiter's
 * timer, small writes (virtio_blk_io.c), the log, malloc. It opens and reads no file but by the
 * ring. */
static const int disk_calls[] = {
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(pwritev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(futex),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(sched_yield),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(mprotect),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
};

static const unsigned long disk_ioctls[] = {KVM_IRQ_LINE, KVM_SIGNAL_MSI};

static const int net_calls[] = {
	SCMP_SYS(socket),      SCMP_SYS(connect),    SCMP_SYS(bind),
	SCMP_SYS(listen),      SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(recvmmsg),   SCMP_SYS(ioctl), /* FIONREAD, FIONBIO */
};

/* Denied, not fatal: Landlock decides where a resolver is allowed, EACCES where not. */
static const int file_calls[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(access),
};

/* ---- files and limits ---------------------------------------------------------------------------
 */

static int limit(int what, rlim_t n, struct err *e)
{
	struct rlimit r = {n, n};

	return setrlimit(what, &r) < 0 ? err_set(e, -errno, "setrlimit: %m") : 0;
}

static const char *const resolv_conf = "/etc/resolv.conf";

int jail_files(bool resolver, struct err *e)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "no_new_privs: %m");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(e, -errno, "not dumpable: %m");
	if ((r = limit(RLIMIT_CORE, 0, e)) < 0 || (r = limit(RLIMIT_NOFILE, OPEN_FILES, e)) < 0)
		return r;
	return FILTERED ? landlock_files(&resolv_conf, resolver, e) : 0;
}

/* ---- system calls -------------------------------------------------------------------------------
 */

static void on_violation(int signo, siginfo_t *info, void *context)
{
	static const char digits[] = "0123456789";
	char line[] = "err jail.violation syscall=0000\n";
	int n = info->si_syscall;

	(void)signo;
	(void)context;
	for (size_t i = sizeof(line) - 3; line[i] != '='; i--, n /= 10)
		line[i] = digits[n % 10];
	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	_exit(5);
}

static int allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

static int allow_ioctls(scmp_filter_ctx f, const unsigned long *ioctls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
	return r;
}

static int allow_vcpu(scmp_filter_ctx f)
{
	int r = allow(f, vcpu_calls, ARRAY_LEN(vcpu_calls));

	return r == 0 ? allow_ioctls(f, vcpu_ioctls, ARRAY_LEN(vcpu_ioctls)) : r;
}

/* Threads of a device that is plugged in later: a thread of this process, in no new namespace.
 * What clone3 is to do lies in memory, where no filter looks; without it glibc takes clone. */
static int allow_threads(scmp_filter_ctx f)
{
	const uint64_t needs = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const uint64_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
			       CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE |
			       CLONE_PARENT;
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, needs | never, needs));

	return r == 0 ? seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : r;
}

static int load(scmp_filter_ctx f, bool whole_process)
{
	int r = whole_process ? seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) : 0;

	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r;
}

int jail_process(bool net, struct err *e)
{
	struct sigaction sa = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};

	if (!FILTERED) {
		log_warn("jail.off", "why=\"sanitizer build\"");
		return 0;
	}
	if (sigaction(SIGSYS, &sa, NULL) < 0)
		return err_set(e, -errno, "sigaction: %m");

	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? allow_vcpu(f) : -ENOMEM;

	if (r == 0)
		r = allow(f, main_calls, ARRAY_LEN(main_calls));
	if (r == 0)
		r = allow_ioctls(f, main_ioctls, ARRAY_LEN(main_ioctls));
	if (r == 0)
		r = allow_threads(f);
	if (r == 0 && net)
		r = allow(f, net_calls, ARRAY_LEN(net_calls));
	for (size_t i = 0; i < ARRAY_LEN(file_calls) && r == 0; i++)
		r = seccomp_rule_add(f, net ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES),
				     file_calls[i], 0);
	/* jail_vcpu() adds its own filter afterwards. */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 0);
	if (r == 0)
		r = load(f, true);
	return r < 0 ? err_set(e, r, "seccomp: %s", strerrorname_np(-r)) : 0;
}

int jail_vcpu(void)
{
	if (!FILTERED)
		return 0;

	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	if (r == 0)
		r = allow_vcpu(f);
	return r == 0 ? load(f, false) : r;
}

int jail_disk(void)
{
	if (!FILTERED)
		return 0;

	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	if (r == 0)
		r = allow(f, disk_calls, ARRAY_LEN(disk_calls));
	if (r == 0)
		r = allow_ioctls(f, disk_ioctls, ARRAY_LEN(disk_ioctls));
	return r == 0 ? load(f, false) : r;
}
