/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Allow-lists by seccomp (jail_filter.h) and Landlock. A call that is not listed is our bug or an
 * attack: it raises SIGSYS, which says its number and ends the process with status 5. openat() and
 * its like fail with EACCES instead, as libraries try them for optional files. Sanitizer builds
 * need calls of their own and run without the filter, and say so.
 */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
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
#include "vmm/jail_filter.h"

#define OPEN_FILES 1024 /* a user-mode network connection is one descriptor */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED false
#else
#define FILTERED true
#endif

/* What a vCPU thread needs: the run loop, device registers (eventfds, the console log), malloc. */
static const int vcpu_calls[] = {
	SYS_read,	 SYS_write,	    SYS_pread64,      SYS_lseek,	SYS_ftruncate,
	SYS_futex,	 SYS_sched_yield,   SYS_mmap,	      SYS_munmap,	SYS_mremap,
	SYS_madvise,	 SYS_brk,	    SYS_mprotect,     SYS_rt_sigreturn, SYS_rt_sigprocmask,
	SYS_sigaltstack, SYS_exit,	    SYS_exit_group,   SYS_getpid,	SYS_gettid,
	SYS_tgkill,	 SYS_clock_gettime, SYS_gettimeofday, SYS_time,		SYS_restart_syscall,
	SYS_rseq,	 SYS_close,
};

static const uint32_t vcpu_ioctls[] = {
	KVM_RUN,	   KVM_IRQ_LINE,
	KVM_SIGNAL_MSI,	   KVM_IOEVENTFD,
	KVM_GET_REGS,	   KVM_SET_USER_MEMORY_REGION, /* a framebuffer moves with its BAR */
	KVM_GET_DIRTY_LOG, KVM_GET_MP_STATE,
	KVM_SET_MP_STATE,
};

/* A snapshot reads what KVM keeps; a descriptor that was passed says what it is. The main thread's
 * alone. */
static const uint32_t main_ioctls[] = {
	BLKGETSIZE64,	   TUNGETIFF,		TUNSETOFFLOAD,		TUNSETVNETHDRSZ,
	KVM_GET_CPUID2,	   KVM_GET_MP_STATE,	KVM_GET_SREGS,		KVM_GET_XSAVE,
	KVM_GET_XSAVE2,	   KVM_GET_XCRS,	KVM_GET_DEBUGREGS,	KVM_GET_LAPIC,
	KVM_GET_MSRS,	   KVM_GET_IRQCHIP,	KVM_GET_PIT2,		KVM_GET_CLOCK,
	KVM_KVMCLOCK_CTRL, KVM_GET_VCPU_EVENTS, KVM_GET_MSR_INDEX_LIST,
};

/* The main thread and I/O threads besides: the loop, disks, the surface and control sockets. */
static const int main_calls[] = {
	SYS_epoll_wait,	     SYS_epoll_pwait,
	SYS_epoll_ctl,	     SYS_accept4,
	SYS_sendmsg,	     SYS_recvmsg,
	SYS_sendto,	     SYS_recvfrom,
	SYS_pwrite64,	     SYS_preadv,
	SYS_pwritev,	     SYS_readv,
	SYS_writev,	     SYS_preadv2,
	SYS_pwritev2,	     SYS_fsync,
	SYS_fdatasync,	     SYS_fallocate,
	SYS_fstat,	     SYS_fcntl,
	SYS_memfd_create,    SYS_timerfd_settime,
	SYS_timerfd_create, /* from here: a device that is plugged in later */
	SYS_flock,	     SYS_eventfd2,
	SYS_getrandom,	     SYS_poll,
	SYS_ppoll,	     SYS_getsockopt,
	SYS_shutdown,	     SYS_nanosleep,
	SYS_clock_nanosleep, SYS_sched_getaffinity,
	SYS_set_robust_list, SYS_unlink,
	SYS_uname,	     SYS_io_uring_enter,
	SYS_epoll_create1, /* the loop of a network card that is plugged in */
};

/* A disk's thread with a ring: its loop, the guest's notifications and interrupts, a limiter's
 * timer, small writes (virtio_blk_io.c), the log, malloc. It opens and reads no file but by the
 * ring. */
static const int disk_calls[] = {
	SYS_io_uring_enter,
	SYS_pwritev,
	SYS_pwrite64,
	SYS_epoll_wait,
	SYS_epoll_pwait,
	SYS_read,
	SYS_write,
	SYS_futex,
	SYS_timerfd_settime,
	SYS_sched_yield,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_brk,
	SYS_mprotect,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_exit,
	SYS_exit_group,
	SYS_getpid,
	SYS_gettid,
	SYS_tgkill,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_restart_syscall,
	SYS_rseq,
};

static const uint32_t disk_ioctls[] = {KVM_IRQ_LINE, KVM_SIGNAL_MSI};

static const int net_calls[] = {
	SYS_socket,	 SYS_connect,	  SYS_bind,	SYS_listen, SYS_setsockopt,
	SYS_getsockname, SYS_getpeername, SYS_recvmmsg, SYS_ioctl, /* FIONREAD, FIONBIO */
};

/* Denied, not fatal: Landlock decides where a resolver is allowed, EACCES where not. */
static const int file_calls[] = {
	SYS_openat, SYS_open, SYS_newfstatat, SYS_stat, SYS_access,
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

static void allow_vcpu(struct jail_filter *f)
{
	jail_filter_allow(f, vcpu_calls, ARRAY_LEN(vcpu_calls));
	jail_filter_ioctls(f, vcpu_ioctls, ARRAY_LEN(vcpu_ioctls));
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

	struct jail_filter f = {0};
	const int seccomp_again = SYS_seccomp; /* jail_vcpu() and jail_disk() add their own */

	allow_vcpu(&f);
	jail_filter_allow(&f, main_calls, ARRAY_LEN(main_calls));
	jail_filter_ioctls(&f, main_ioctls, ARRAY_LEN(main_ioctls));
	jail_filter_threads(&f);
	jail_filter_allow(&f, &seccomp_again, 1);
	if (net)
		jail_filter_allow(&f, net_calls, ARRAY_LEN(net_calls));
	for (size_t i = 0; i < ARRAY_LEN(file_calls); i++)
		if (net)
			jail_filter_allow(&f, &file_calls[i], 1);
		else
			jail_filter_refuse(&f, file_calls[i], EACCES);

	int r = jail_filter_load(&f, true);

	return r < 0 ? err_set(e, r, "seccomp: %s", strerrorname_np(-r)) : 0;
}

int jail_vcpu(void)
{
	struct jail_filter f = {0};

	if (!FILTERED)
		return 0;
	allow_vcpu(&f);
	return jail_filter_load(&f, false);
}

int jail_disk(void)
{
	struct jail_filter f = {0};

	if (!FILTERED)
		return 0;
	jail_filter_allow(&f, disk_calls, ARRAY_LEN(disk_calls));
	jail_filter_ioctls(&f, disk_ioctls, ARRAY_LEN(disk_ioctls));
	return jail_filter_load(&f, false);
}
