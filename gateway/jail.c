/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The jail; see jail.h. A list of what a role needs; all else fails with EPERM, which libraries
 * survive, and what only an intruder asks for (programs, other processes, the kernel's insides)
 * ends the process at once. Landlock narrows the files on top: the system call filter sees
 * descriptors and flags, not paths.
 */
#include "gateway/jail.h"
#include "common/landlock.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int gw_jail_limits(struct err *e)
{
	struct rlimit files, none = {0, 0};

	if (getrlimit(RLIMIT_NOFILE, &files))
		return err_set(e, -errno, "getrlimit: %s", strerror(errno));
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) || setrlimit(RLIMIT_CORE, &none))
		return err_set(e, -errno, "setrlimit: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_set(e, -errno, "prctl: %s", strerror(errno));
	return 0;
}

#ifdef __SANITIZE_ADDRESS__
/* The leak checker forks and traces itself. */
int gw_jail_worker(struct err *e)
{
	(void)e;
	return 0;
}

int gw_jail_keeper(struct err *e)
{
	(void)e;
	return 0;
}

int gw_jail_metrics(struct err *e)
{
	(void)e;
	return 0;
}
#else
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(clone),
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
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(modify_ldt),
};

/* What every process of ours does: descriptors it has, memory, time, its own end. */
static const int basic[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	SCMP_SYS(restart_syscall),
};

/* What a server does besides. */
static const int serving[] = {
	SCMP_SYS(accept4),    SCMP_SYS(shutdown),    SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
};

/* What a relay does besides that; connect(2) is bounded by the families of socket(2). */
static const int network[] = {
	SCMP_SYS(connect),
	SCMP_SYS(ioctl),
	SCMP_SYS(uname),
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6};

static int allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

/* Memory that can be run, files that can be written: not with these arguments. */
static int allow_bounded(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);

	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
	if (!r)
		r = seccomp_rule_add(
			f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			SCMP_A2_64(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
	return r ? r
		 : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				    SCMP_A1_64(SCMP_CMP_LE, F_SETFL, 0));
}

enum role {
	KEEPS,
	SERVES,
	RELAYS
};

static int add_rules(scmp_filter_ctx f, enum role role)
{
	int r = allow(f, basic, ARRAY_LEN(basic));
	bool net = role == RELAYS;

	if (!r)
		r = allow_bounded(f);
	if (!r && role >= SERVES)
		r = allow(f, serving, ARRAY_LEN(serving));
	if (!r && net)
		r = allow(f, network, ARRAY_LEN(network));
	for (size_t i = 0; !r && net && i < ARRAY_LEN(families); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	if (!r && net) /* a tunnel's own end of the RDP door */
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				     SCMP_A0_64(SCMP_CMP_EQ, AF_UNIX, 0));
	for (size_t i = 0; !r && i < ARRAY_LEN(deadly); i++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	return r;
}

static int filter(enum role role, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f ? add_rules(f, role) : -ENOMEM;

	if (!r)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r ? err_set(e, r, "cannot load the system call filter: %s", strerror(-r)) : 0;
}

/* Of all files only these may be opened: what looking up a host's name takes. Keys and
 * certificates are the keeper's business. */
static const char *const resolver_files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
					     "/etc/nsswitch.conf", "/etc/gai.conf"};

int gw_jail_worker(struct err *e)
{
	int r = landlock_files(resolver_files, ARRAY_LEN(resolver_files), e);

	return r ? r : filter(RELAYS, e);
}

int gw_jail_keeper(struct err *e)
{
	return filter(KEEPS, e);
}

int gw_jail_metrics(struct err *e)
{
	int r = landlock_files(NULL, 0, e);

	return r ? r : filter(SERVES, e);
}
#endif
