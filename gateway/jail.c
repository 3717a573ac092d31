/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The jail; see jail.h. A list of what is forbidden, not of what is allowed: OpenSSL and libc may
 * change their calls under us, while what an intruder wants is known. Running a program or touching
 * another process kills the worker; changing the file system fails with EPERM. Opening files for
 * reading stays possible, as SIGHUP reloads certificates.
 */
#include "gateway/jail.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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
int gw_jail_filter(struct err *e)
{
	(void)e;
	return 0; /* the leak checker forks and traces itself */
}
#else
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
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(modify_ldt),
};

static const int denied[] = {
	SCMP_SYS(unlink),    SCMP_SYS(unlinkat),  SCMP_SYS(rename),    SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(mkdir),	  SCMP_SYS(mkdirat),   SCMP_SYS(rmdir),
	SCMP_SYS(link),	     SCMP_SYS(linkat),	  SCMP_SYS(symlink),   SCMP_SYS(symlinkat),
	SCMP_SYS(mknod),     SCMP_SYS(mknodat),	  SCMP_SYS(chmod),     SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),  SCMP_SYS(chown),	  SCMP_SYS(fchown),    SCMP_SYS(fchownat),
	SCMP_SYS(truncate),  SCMP_SYS(creat),	  SCMP_SYS(setxattr),  SCMP_SYS(setuid),
	SCMP_SYS(setgid),    SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(capset),
};

/* A library may look for clone3 and fall back when it is told there is none. */
static int add_rules(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; !r && i < ARRAY_LEN(deadly); i++)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	for (size_t i = 0; !r && i < ARRAY_LEN(denied); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	/* No new processes, and files only for reading. */
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 0);
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 3, 1 /* O_WRONLY */));
	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 3, 2 /* O_RDWR */));
	return r;
}

int gw_jail_filter(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? add_rules(f) : -ENOMEM;

	if (!r)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r ? err_set(e, r, "cannot load the system call filter: %s", strerror(-r)) : 0;
}
#endif
