/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sandbox: what it denies is denied, what the display needs still works. The dialer connects
 * to its one socket.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/sock.h"
#include "display/dialer.h"
#include "display/sandbox.h"

static bool mmap_works(size_t n, int protection)
{
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	void *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && munmap(p, n) == 0;
}

/* Whether such a socket is refused; one that is not is closed again. */
static bool refused(int family, int type)
{
	cleanup_close int fd = socket(family, type, 0);

	return fd < 0 && errno == EPERM;
}

static bool no_network(void)
{
	return refused(AF_INET, SOCK_STREAM) && refused(AF_INET6, SOCK_DGRAM) &&
	       refused(AF_NETLINK, SOCK_RAW) && refused(AF_PACKET, SOCK_RAW);
}

static bool no_unix_sockets(void)
{
	int pair[2];

	return refused(AF_UNIX, SOCK_STREAM) && refused(AF_UNIX, SOCK_SEQPACKET) &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 && errno == EPERM;
}

/* Whether a file cannot be opened or looked at. */
static bool hidden(const char *path, int flags)
{
	cleanup_close int fd = open(path, flags, 0600);
	struct stat st;

	return fd < 0 && errno == EACCES && stat(path, &st) < 0 && errno == EACCES &&
	       access(path, F_OK) < 0;
}

static bool no_files(void)
{
	return hidden("/etc/passwd", O_RDONLY) && hidden("/dev/null", O_RDWR) &&
	       hidden("/tmp/pane-sandbox-test", O_WRONLY | O_CREAT) &&
	       hidden("/proc/self/mem", O_RDWR);
}

static bool no_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct has[2];

	/* The call itself is nobody's need: it is refused and named in the log. */
	return syscall(SYS_capget, &head, has) < 0 && errno == EPERM;
}

static bool memory_is_bounded(void)
{
	return !mmap_works(7ull << 30, PROT_READ) && mmap_works(1 << 20, PROT_READ | PROT_WRITE) &&
	       !mmap_works(4096, PROT_READ | PROT_EXEC);
}

static void start_a_program(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};

	execv("/bin/true", argv);
}

static void make_a_process(void)
{
	syscall(SYS_fork);
}

static void trace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void mount_something(void)
{
	(void)!mount("none", "/tmp", "tmpfs", 0, NULL);
}

static void *in_thread(void *arg)
{
	*(bool *)arg = no_network() && no_files();
	return NULL;
}

static bool threads_start_and_are_held(void)
{
	pthread_t t;
	bool held = false;

	return pthread_create(&t, NULL, in_thread, &held) == 0 && pthread_join(t, NULL) == 0 &&
	       held;
}

static bool processes_are_not_threads(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0 && errno == EPERM;
}

/* Runs check in a child that is in the sandbox; its wait status. */
static int inside(bool (*check)(void), void (*act)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		disp_sandbox_prepare();
		if (disp_sandbox_enter(NULL) < 0)
			_exit(2);
		if (act)
			act();
		_exit(check && check() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void holds(bool (*check)(void))
{
	int status = inside(check, NULL);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void kills(void (*act)(void))
{
	int status = inside(NULL, act);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void the_network_is_gone(void **state)
{
	(void)state;
	holds(no_network);
	holds(no_unix_sockets);
}

static void files_are_gone(void **state)
{
	(void)state;
	holds(no_files);
}

static void an_intruders_calls_are_the_end(void **state)
{
	(void)state;
	kills(start_a_program);
	kills(make_a_process);
	kills(trace);
	kills(mount_something);
}

static void memory_and_rights_are_bounded(void **state)
{
	(void)state;
	holds(memory_is_bounded);
	holds(no_capabilities);
}

static void threads_are_inside_too(void **state)
{
	(void)state;
	holds(threads_start_and_are_held);
	holds(processes_are_not_threads);
}

struct place {
	char dir[32], path[48], addr[64];
	int listener;
};

static void listen_at(struct place *p)
{
	strcpy(p->dir, "/tmp/pane-dialer-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	snprintf(p->addr, sizeof(p->addr), "unix:%s", p->path);
	p->listener = sock_listen(p->addr, SOCK_SEQPACKET, false, 0600, NULL);
	assert_true(p->listener >= 0);
}

static void leave(struct place *p)
{
	if (p->listener >= 0)
		close(p->listener);
	unlink(p->path);
	rmdir(p->dir);
}

static struct disp_dialer *shared_dialer;

static bool the_dialer_connects(void)
{
	cleanup_close int fd = disp_dialer_connect(shared_dialer);

	return fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) && send(fd, "hello", 5, 0) == 5;
}

static void the_dialer_reaches_the_desktop_from_inside(void **state)
{
	struct place p;
	char peer[SOCK_ADDR_MAX], got[8];

	(void)state;
	listen_at(&p);
	shared_dialer = disp_dialer_new(p.path, NULL);
	assert_non_null(shared_dialer);
	holds(the_dialer_connects);

	cleanup_close int fd = sock_accept(p.listener, peer);

	assert_int_equal(recv(fd, got, sizeof(got), 0), 5);
	disp_dialer_free(shared_dialer);
	leave(&p);
}

static void the_dialer_says_why_not_and_tries_again(void **state)
{
	struct place p;
	int fd;

	(void)state;
	listen_at(&p);
	shared_dialer = disp_dialer_new(p.path, NULL);
	close(p.listener);
	assert_int_equal(disp_dialer_connect(shared_dialer), -ECONNREFUSED);
	unlink(p.path);
	assert_int_equal(disp_dialer_connect(shared_dialer), -ENOENT);
	p.listener = sock_listen(p.addr, SOCK_SEQPACKET, false, 0600, NULL);
	fd = disp_dialer_connect(shared_dialer);
	assert_true(fd >= 0);
	close(fd);
	disp_dialer_free(shared_dialer);
	leave(&p);
}

int main(void)
{
	const struct CMUnitTest filtered[] = {
		cmocka_unit_test(the_network_is_gone),
		cmocka_unit_test(files_are_gone),
		cmocka_unit_test(an_intruders_calls_are_the_end),
		cmocka_unit_test(memory_and_rights_are_bounded),
		cmocka_unit_test(threads_are_inside_too),
	};
	const struct CMUnitTest always[] = {
		cmocka_unit_test(the_dialer_reaches_the_desktop_from_inside),
		cmocka_unit_test(the_dialer_says_why_not_and_tries_again),
	};
	int failed = cmocka_run_group_tests(always, NULL, NULL);

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* there is no filter then */
	failed += cmocka_run_group_tests(filtered, NULL, NULL);
#else
	(void)filtered;
#endif
	return failed;
}
