/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The jails from inside: a child locks itself in and tries. Not under the address sanitizer, which
 * needs what is forbidden.
 */
#include "gateway/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifdef __SANITIZE_ADDRESS__
#define NEEDS_JAIL skip()
#else
#define NEEDS_JAIL (void)0
#endif

typedef int (*attempt_fn)(void); /* 0 or an errno */
typedef int (*jail_fn)(struct err *e);

#define KILLED (-SIGSYS)

/* What the attempt comes to inside the jail: 0, an errno, or minus the signal it died of. */
static int inside(jail_fn jail, attempt_fn attempt)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct err e = {0};

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(jail(&e) ? 255 : attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

#define TRY(name, call)                                                                            \
	static int name(void)                                                                      \
	{                                                                                          \
		int r_ = (call);                                                                   \
                                                                                                   \
		return r_ < 0 ? errno : 0;                                                         \
	}

static char *const none[] = {NULL};
static struct sockaddr_in any = {.sin_family = AF_INET};

static int pair[2];

TRY(run_a_program, execve("/bin/true", none, none))
TRY(make_a_process, (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
TRY(trace, (int)ptrace(PTRACE_ATTACH, getppid(), 0, 0))
TRY(read_another, (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
TRY(load_bpf, (int)syscall(SYS_bpf, 0, NULL, 0))
TRY(ring, (int)syscall(SYS_io_uring_setup, 1, NULL))
TRY(read_a_file, open("/etc/passwd", O_RDONLY))
TRY(read_resolver, open("/etc/hosts", O_RDONLY))
TRY(write_a_file, open("/tmp/pane-jail-test", O_WRONLY | O_CREAT, 0600))
TRY(list_a_folder, open("/", O_RDONLY | O_DIRECTORY))
TRY(rename_a_file, rename("/etc/passwd", "/etc/passwd2"))
TRY(change_mode, chmod("/tmp", 0777))
TRY(signal_parent, kill(getppid(), 0))
TRY(raw_socket, socket(AF_PACKET, SOCK_RAW, 0))
TRY(netlink_socket, socket(AF_NETLINK, SOCK_RAW, 0))
TRY(change_user, setuid(65534))
TRY(inet_socket, socket(AF_INET, SOCK_STREAM, 0))
TRY(unix_socket, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(unix_pair, socketpair(AF_UNIX, SOCK_STREAM, 0, pair))

/* A port of its own would be a second door. */
static int open_a_port(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		return 254;
	if (bind(s, (struct sockaddr *)&any, sizeof(any)) == 0)
		return 0;
	return listen(s, 1) == 0 ? 0 : errno;
}

static int run_memory(void)
{
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	void *p = mmap(NULL, 4096, PROT_EXEC | PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : munmap(p, 4096);
}

static int unexecutable_memory(void)
{
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return errno;
	*p = 1;
	return munmap(p, 4096) ? errno : 0;
}

static void test_worker_dies(void **state)
{
	static const attempt_fn deadly[] = {run_a_program, make_a_process, trace,
					    read_another,  load_bpf,	   ring};

	(void)state;
	NEEDS_JAIL;
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		assert_int_equal(inside(gw_jail_worker, deadly[i]), KILLED);
}

static void test_worker_denied(void **state)
{
	static const attempt_fn denied[] = {write_a_file,  rename_a_file, change_mode,
					    signal_parent, raw_socket,	  netlink_socket,
					    run_memory,	   change_user,	  open_a_port};

	(void)state;
	NEEDS_JAIL;
	for (size_t i = 0; i < ARRAY_LEN(denied); i++)
		assert_int_equal(inside(gw_jail_worker, denied[i]), EPERM);
}

static void test_worker_files(void **state)
{
	(void)state;
	NEEDS_JAIL;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		skip(); /* this kernel has no Landlock */
	assert_int_equal(inside(gw_jail_worker, read_a_file), EACCES);
	assert_int_equal(inside(gw_jail_worker, list_a_folder), EACCES);
	assert_int_equal(inside(gw_jail_worker, read_resolver), 0);
}

static void test_worker_may(void **state)
{
	static const attempt_fn fine[] = {inet_socket, unix_socket, unix_pair, unexecutable_memory};

	(void)state;
	NEEDS_JAIL;
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		assert_int_equal(inside(gw_jail_worker, fine[i]), 0);
}

static void test_keeper(void **state)
{
	(void)state;
	NEEDS_JAIL;
	assert_int_equal(inside(gw_jail_keeper, run_a_program), KILLED);
	assert_int_equal(inside(gw_jail_keeper, trace), KILLED);
	assert_int_equal(inside(gw_jail_keeper, inet_socket), EPERM);
	assert_int_equal(inside(gw_jail_keeper, unix_socket), EPERM);
	assert_int_equal(inside(gw_jail_keeper, unix_pair), EPERM);
	assert_int_equal(inside(gw_jail_keeper, write_a_file), EPERM);
	assert_int_equal(inside(gw_jail_keeper, read_a_file), 0); /* a reload */
}

static void test_metrics(void **state)
{
	(void)state;
	NEEDS_JAIL;
	assert_int_equal(inside(gw_jail_metrics, run_a_program), KILLED);
	assert_int_equal(inside(gw_jail_metrics, trace), KILLED);
	assert_int_equal(inside(gw_jail_metrics, inet_socket), EPERM);
	assert_int_equal(inside(gw_jail_metrics, unix_socket), EPERM);
	assert_int_equal(inside(gw_jail_metrics, write_a_file), EPERM);
	assert_int_equal(inside(gw_jail_metrics, open_a_port), 254);
	assert_int_equal(inside(gw_jail_metrics, unexecutable_memory), 0);
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 0)
		assert_int_equal(inside(gw_jail_metrics, read_a_file), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_dies),  cmocka_unit_test(test_worker_denied),
		cmocka_unit_test(test_worker_files), cmocka_unit_test(test_worker_may),
		cmocka_unit_test(test_keeper),	     cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
