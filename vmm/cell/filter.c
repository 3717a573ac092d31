/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An allow-list: what desktop programs of a current Debian use. Everything else does not exist
 * (ENOSYS), so that programs and libc fall back where they can; what they would take as broken
 * without a permission error gets EPERM. Not allowed, among others: namespaces and mounts,
 * keyrings, io_uring, bpf, perf, modules, kexec, clock setting, raw and packet sockets, quota,
 * swap, reboot.
 *
 * ptrace is allowed: debuggers work, and what one may trace is one's own desktop (its own pid and
 * user namespace). Neither chmod and friends nor open may set set-id bits: nothing here needs a
 * set-id file, and none may be left for others. openat2() hides its mode in memory: it is not on
 * the list. Nor is io_setup(): what all processes of the machine may reserve is one sum
 * (fs.aio-max-nr).
 */
#include "vmm/cell/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* libseccomp's SCMP_A macros leave the second operand out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define C(name) SCMP_SYS(name)

static const int allowed[] = {
	/* files */
	C(access), C(chdir), C(close), C(close_range), C(copy_file_range), C(creat), C(dup),
	C(dup2), C(dup3), C(faccessat), C(faccessat2), C(fadvise64), C(fallocate), C(fchdir),
	C(fchown), C(fchownat), C(fcntl), C(fdatasync), C(fgetxattr), C(flistxattr), C(flock),
	C(fremovexattr), C(fsetxattr), C(fstat), C(fstatfs), C(fsync), C(ftruncate), C(futimesat),
	C(getcwd), C(getdents), C(getdents64), C(getxattr), C(chown), C(lchown), C(lgetxattr),
	C(link), C(linkat), C(listxattr), C(llistxattr), C(lremovexattr), C(lseek), C(lsetxattr),
	C(lstat), C(mkdir), C(mkdirat), C(newfstatat), C(open), C(openat), C(pipe), C(pipe2),
	C(pread64), C(preadv), C(preadv2), C(pwrite64), C(pwritev), C(pwritev2), C(read),
	C(readahead), C(readlink), C(readlinkat), C(readv), C(removexattr), C(rename), C(renameat),
	C(renameat2), C(rmdir), C(sendfile), C(setxattr), C(splice), C(stat), C(statfs), C(statx),
	C(symlink), C(symlinkat), C(sync), C(sync_file_range), C(syncfs), C(tee), C(truncate),
	C(umask), C(unlink), C(unlinkat), C(utime), C(utimensat), C(utimes), C(vmsplice), C(write),
	C(writev), C(name_to_handle_at), C(landlock_create_ruleset), C(landlock_add_rule),
	C(landlock_restrict_self),
	/* memory */
	C(brk), C(madvise), C(membarrier), C(memfd_create), C(mincore), C(mlock), C(mlock2),
	C(mlockall), C(mmap), C(mprotect), C(mremap), C(msync), C(munlock), C(munlockall),
	C(munmap), C(pkey_alloc), C(pkey_free), C(pkey_mprotect), C(remap_file_pages),
	C(get_mempolicy), C(mbind), C(set_mempolicy),
	/* processes, threads, ids */
	C(arch_prctl), C(capget), C(capset), C(execve), C(execveat), C(exit), C(exit_group),
	C(fork), C(futex), C(futex_waitv), C(get_robust_list), C(get_thread_area), C(getcpu),
	C(getegid), C(geteuid), C(getgid), C(getgroups), C(getpgid), C(getpgrp), C(getpid),
	C(getppid), C(getpriority), C(getresgid), C(getresuid), C(getrlimit), C(getrusage),
	C(getsid), C(gettid), C(getuid), C(ioprio_get), C(ioprio_set), C(kcmp), C(kill),
	C(pidfd_open), C(pidfd_send_signal), C(prctl), C(prlimit64), C(process_madvise),
	C(process_vm_readv), C(ptrace), C(rseq), C(sched_get_priority_max),
	C(sched_get_priority_min), C(sched_getaffinity), C(sched_getattr), C(sched_getparam),
	C(sched_getscheduler), C(sched_rr_get_interval), C(sched_setaffinity), C(sched_setattr),
	C(sched_setparam), C(sched_setscheduler), C(sched_yield), C(seccomp), C(set_robust_list),
	C(set_thread_area), C(set_tid_address), C(setfsgid), C(setfsuid), C(setgid), C(setgroups),
	C(setpgid), C(setpriority), C(setregid), C(setresgid), C(setresuid), C(setreuid),
	C(setrlimit), C(setsid), C(setuid), C(tgkill), C(time), C(times), C(tkill), C(uname),
	C(sysinfo), C(vfork), C(wait4), C(waitid),
	/* signals, time, events */
	C(alarm), C(clock_getres), C(clock_gettime), C(clock_nanosleep), C(epoll_create),
	C(epoll_create1), C(epoll_ctl), C(epoll_pwait), C(epoll_pwait2), C(epoll_wait), C(eventfd),
	C(eventfd2), C(getitimer), C(gettimeofday), C(inotify_add_watch), C(inotify_init),
	C(inotify_init1), C(inotify_rm_watch), C(nanosleep), C(pause), C(poll), C(ppoll),
	C(pselect6), C(restart_syscall), C(rt_sigaction), C(rt_sigpending), C(rt_sigprocmask),
	C(rt_sigqueueinfo), C(rt_sigreturn), C(rt_sigsuspend), C(rt_sigtimedwait),
	C(rt_tgsigqueueinfo), C(select), C(setitimer), C(sigaltstack), C(signalfd), C(signalfd4),
	C(timer_create), C(timer_delete), C(timer_getoverrun), C(timer_gettime), C(timer_settime),
	C(timerfd_create), C(timerfd_gettime), C(timerfd_settime), C(getrandom),
	/* sockets (socket() itself below) and System V IPC, which is the desktop's own */
	C(accept), C(accept4), C(bind), C(connect), C(getpeername), C(getsockname), C(getsockopt),
	C(listen), C(recvfrom), C(recvmmsg), C(recvmsg), C(sendmmsg), C(sendmsg), C(sendto),
	C(setsockopt), C(shutdown), C(socketpair), C(msgctl), C(msgget), C(msgrcv), C(msgsnd),
	C(semctl), C(semget), C(semop), C(semtimedop), C(shmat), C(shmctl), C(shmdt), C(shmget),
	C(mq_getsetattr), C(mq_notify), C(mq_open), C(mq_timedreceive), C(mq_timedsend),
	C(mq_unlink), C(ioctl)};

/* EPERM rather than ENOSYS: programs treat these as "not allowed here" and go on. */
static const int refused[] = {C(add_key),
			      C(request_key),
			      C(keyctl),
			      C(bpf),
			      C(perf_event_open),
			      C(mount),
			      C(umount2),
			      C(pivot_root),
			      C(chroot),
			      C(unshare),
			      C(setns),
			      C(open_tree),
			      C(move_mount),
			      C(fsopen),
			      C(fspick),
			      C(mount_setattr),
			      C(kexec_load),
			      C(kexec_file_load),
			      C(init_module),
			      C(finit_module),
			      C(delete_module),
			      C(reboot),
			      C(swapon),
			      C(swapoff),
			      C(sethostname),
			      C(setdomainname),
			      C(settimeofday),
			      C(clock_settime),
			      C(clock_adjtime),
			      C(adjtimex),
			      C(syslog),
			      C(acct),
			      C(quotactl),
			      C(userfaultfd),
			      C(open_by_handle_at),
			      C(iopl),
			      C(ioperm),
			      C(process_vm_writev),
			      C(vhangup),
			      C(pidfd_getfd),
			      C(fanotify_init),
			      C(personality)};

static int add_list(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(f, action, calls[i], 0);
	return r;
}

static int add_sockets(scmp_filter_ctx f)
{
	static const int families[] = {AF_INET, AF_INET6};
	/* Others, SCTP and DCCP above all, would have the kernel load modules for the asking. */
	static const int kinds[][2] = {{SOCK_STREAM, 0},
				       {SOCK_STREAM, IPPROTO_TCP},
				       {SOCK_DGRAM, 0},
				       {SOCK_DGRAM, IPPROTO_UDP},
				       {SOCK_DGRAM, IPPROTO_ICMP},
				       {SOCK_DGRAM, IPPROTO_ICMPV6}};
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, C(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

	for (size_t i = 0; i < ARRAY_LEN(families) && r == 0; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds) && r == 0; k++)
			r = seccomp_rule_add(
				f, SCMP_ACT_ALLOW, C(socket), 3,
				SCMP_A0(SCMP_CMP_EQ, (unsigned)families[i]),
				SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (unsigned)kinds[k][0]),
				SCMP_A2(SCMP_CMP_EQ, (unsigned)kinds[k][1]));
	return r ? r
		 : seccomp_rule_add(f, SCMP_ACT_ALLOW, C(socket), 2,
				    SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				    SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
}

/* clone() without a new namespace; clone3() hides its flags in memory: it is not on the list, upon
 * which libc uses clone(). */
static int add_clone(scmp_filter_ctx f)
{
	const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
					 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

	return seccomp_rule_add(f, SCMP_ACT_ALLOW, C(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
}

static int add_modes(scmp_filter_ctx f)
{
	const unsigned long bits = S_ISUID | S_ISGID;
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, C(chmod), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, bits, 0));

	r = r ? r
	      : seccomp_rule_add(f, SCMP_ACT_ALLOW, C(fchmod), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, bits, 0));
	return r ? r
		 : seccomp_rule_add(f, SCMP_ACT_ALLOW, C(fchmodat), 1,
				    SCMP_A2(SCMP_CMP_MASKED_EQ, bits, 0));
}

/* FIFOs may be made, as anybody's programs do (the sound server for one); no devices. */
static int add_fifos(scmp_filter_ctx f)
{
	const unsigned bits = S_IFMT | S_ISUID | S_ISGID;
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, C(mknod), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, bits, S_IFIFO));

	return r ? r
		 : seccomp_rule_add(f, SCMP_ACT_ALLOW, C(mknodat), 1,
				    SCMP_A2(SCMP_CMP_MASKED_EQ, bits, S_IFIFO));
}

static int refuse_devices(scmp_filter_ctx f)
{
	static const unsigned kinds[] = {S_IFCHR, S_IFBLK};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && r == 0; i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(mknod), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]));
		r = r ? r
		      : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(mknodat), 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]));
	}
	return r;
}

/* A file that is made with a set-id bit. */
static int refuse_made(scmp_filter_ctx f, unsigned bit)
{
	static const unsigned makes[] = {O_CREAT, O_TMPFILE & ~O_DIRECTORY};
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(creat), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, bit, bit));

	for (size_t i = 0; i < ARRAY_LEN(makes) && r == 0; i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(open), 2,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, makes[i], makes[i]),
				     SCMP_A2(SCMP_CMP_MASKED_EQ, bit, bit));
		r = r ? r
		      : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(openat), 2,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, makes[i], makes[i]),
					 SCMP_A3(SCMP_CMP_MASKED_EQ, bit, bit));
	}
	return r;
}

/* A program of its own, as an allow-list cannot say "all but": pushing bytes into terminals and
 * line disciplines, which are kernel modules loaded for the asking (the
 * argument is 32 bits wide to the kernel, so its upper half is not looked at). And the errors that
 * programs expect of what the list above leaves out; the filter added last has the say. */
static int refuse(scmp_filter_ctx f)
{
	static const unsigned ioctls[] = {TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD},
			      bits[] = {S_ISUID, S_ISGID};
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), C(socket), 1,
				 SCMP_A0(SCMP_CMP_GT, AF_NETLINK));

	/* Programs that try MPTCP first expect this. */
	r = r ? r
	      : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPROTONOSUPPORT), C(socket), 1,
				 SCMP_A2(SCMP_CMP_GT, IPPROTO_RAW));
	for (size_t i = 0; i < ARRAY_LEN(ioctls) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, ioctls[i]));
	for (size_t i = 0; i < ARRAY_LEN(bits) && r == 0; i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(chmod), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, bits[i], bits[i]));
		r = r ? r
		      : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(fchmod), 1,
					 SCMP_A1(SCMP_CMP_MASKED_EQ, bits[i], bits[i]));
		r = r ? r
		      : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), C(fchmodat), 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, bits[i], bits[i]));
		r = r ? r : refuse_made(f, bits[i]);
	}
	return r ? r : refuse_devices(f);
}

static int fill(scmp_filter_ctx f)
{
	int r = add_list(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));

	r = r ? r : add_list(f, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_LEN(refused));
	r = r ? r : add_sockets(f);
	r = r ? r : add_clone(f);
	r = r ? r : add_modes(f);
	r = r ? r : add_fifos(f);
	return r ? r : seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

static int compile(uint32_t otherwise, int (*rules)(scmp_filter_ctx f), struct err *e)
{
	cleanup_close int fd = memfd_create("cell-filter", MFD_CLOEXEC);
	scmp_filter_ctx f = seccomp_init(otherwise);
	int r = fd < 0 ? -errno : f ? rules(f) : -ENOMEM;

	r = r ? r : seccomp_export_bpf(f, fd);
	if (f)
		seccomp_release(f);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? err_set(e, r, "seccomp filter: %s", strerrordesc_np(-r)) : steal_fd(&fd);
}

int cell_filter_calls(struct err *e)
{
	return compile(SCMP_ACT_ERRNO(ENOSYS), fill, e);
}

int cell_filter_errors(struct err *e)
{
	return compile(SCMP_ACT_ALLOW, refuse, e);
}
