/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The filters, installed in a child process the way bubblewrap does: what desktops need works, what
 * leads out is refused with the error that programs expect. The story tries the rest from inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include "vmm/cell/filter.h"

static int install(int fd)
{
	static struct sock_filter code[8192];
	ssize_t n = read(fd, code, sizeof(code));
	struct sock_fprog prog = {.len = (unsigned short)(n / (ssize_t)sizeof(code[0])),
				  .filter = code};

	return n > 0 ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) : -1;
}

/* errno of fn under both filters, 0 when it worked. */
static int under_filter(long (*fn)(void))
{
	int status = 0, calls = cell_filter_calls(NULL), errors = cell_filter_errors(NULL);
	pid_t pid;

	assert_true(calls >= 0 && errors >= 0);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || install(calls) || install(errors))
			_exit(254);
		errno = 0;
		_exit(fn() < 0 ? errno : 0);
	}
	close(calls);
	close(errors);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 254);
	return WEXITSTATUS(status);
}

static long do_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long do_inet(void)
{
	return socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

static long do_route(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static long do_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long do_raw(void)
{
	return socket(AF_INET, SOCK_RAW, 1);
}

static long do_audit(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
}

static long do_fork(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long do_clone_user(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
}

static long do_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

static long do_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static long do_tiocsti(void)
{
	return syscall(SYS_ioctl, -1, 0x700000000ul | TIOCSTI, 0);
}

static long do_other_ioctl(void)
{
	return ioctl(-1, TIOCGWINSZ, 0);
}

static long do_setuid_bit(void)
{
	return chmod("/nonexistent", 04755);
}

static long do_plain_mode(void)
{
	return chmod("/nonexistent", 0755);
}

static long do_fifo(void)
{
	return mkfifo("/nonexistent/fifo", 0600);
}

static long do_device(void)
{
	return mknod("/nonexistent/device", S_IFCHR | 0600, 1 << 8 | 1);
}

static long do_setgid_fifo(void)
{
	return syscall(SYS_mknodat, -100, "/nonexistent/fifo", S_IFIFO | S_ISGID | 0600, 0);
}

static long do_io_uring(void)
{
	return syscall(425, 1, NULL);
}

static long do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static void test_rules(void **state)
{
	static const struct {
		long (*fn)(void);
		int error;
	} cases[] = {{do_unix, 0},
		     {do_inet, 0},
		     {do_route, 0},
		     {do_packet, EAFNOSUPPORT},
		     {do_raw, ENOSYS},
		     {do_audit, ENOSYS},
		     {do_fork, 0},
		     {do_clone_user, ENOSYS},
		     {do_clone3, ENOSYS},
		     {do_unshare, EPERM},
		     {do_tiocsti, EPERM},
		     {do_other_ioctl, EBADF},
		     {do_setuid_bit, EPERM},
		     {do_plain_mode, ENOENT},
		     {do_io_uring, ENOSYS},
		     {do_keyctl, EPERM},
		     {do_fifo, ENOENT},
		     {do_device, EPERM},
		     {do_setgid_fifo, ENOSYS}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int got = under_filter(cases[i].fn);

		if (got != cases[i].error)
			fail_msg("case %zu: errno %d, not %d", i, got, cases[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
