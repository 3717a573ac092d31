/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See jail.h. A list of what the loop, the two sockets and memory take; all else fails with EPERM,
 * and what only an intruder asks for ends the process. The display that decodes the client's bytes
 * is another process with a sandbox of its own (display/sandbox.c).
 */
#include "display/lobby/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "common/landlock.h"
#include "common/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED false
#else
#define FILTERED true
#endif

#define DATA_MAX (512u << 20) /* two screens of 8192x8192 would not fit; one does */

static const int allowed[] = {
	SCMP_SYS(read),		  SCMP_SYS(write),
	SCMP_SYS(close),	  SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),	  SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),	  SCMP_SYS(accept4),
	SCMP_SYS(getsockopt),	  SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),	  SCMP_SYS(epoll_ctl),
	SCMP_SYS(poll),		  SCMP_SYS(fstat),
	SCMP_SYS(memfd_create),	  SCMP_SYS(ftruncate),
	SCMP_SYS(munmap),	  SCMP_SYS(mremap),
	SCMP_SYS(madvise),	  SCMP_SYS(brk),
	SCMP_SYS(futex),	  SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),	  SCMP_SYS(getrandom),
	SCMP_SYS(getpid),	  SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),		  SCMP_SYS(exit_group),
	SCMP_SYS(lseek),	  SCMP_SYS(restart_syscall),
	SCMP_SYS(setsockopt),
};

static const int deadly[] = {
	SCMP_SYS(execve),	  SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork),	  SCMP_SYS(clone),    SCMP_SYS(ptrace),
	SCMP_SYS(mount),	  SCMP_SYS(setns),    SCMP_SYS(bpf),
	SCMP_SYS(unshare),	  SCMP_SYS(keyctl),   SCMP_SYS(process_vm_readv),
	SCMP_SYS(io_uring_setup),
};

static int add_bounded(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);

	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
	if (!r) /* fstat() */
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				     SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return r ? r
		 : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				    SCMP_A1_64(SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0));
}

static int filter(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f ? add_bounded(f) : -ENOMEM;

	for (size_t i = 0; !r && i < ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !r && i < ARRAY_LEN(deadly); i++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (!r)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r ? err_set(e, r, "seccomp: %s", strerror(-r)) : 0;
}

int lobby_jail(struct err *e)
{
	struct rlimit none = {0, 0}, data = {DATA_MAX, DATA_MAX};
	int r;

	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_set(e, -errno, "prctl: %s", strerror(errno));
	if (!FILTERED) {
		log_warn("jail.off", "why=\"sanitizer build\"");
		return 0;
	}
	if (setrlimit(RLIMIT_DATA, &data))
		return err_set(e, -errno, "setrlimit: %s", strerror(errno));
	r = landlock_files(NULL, 0, e);
	return r ? r : filter(e);
}
