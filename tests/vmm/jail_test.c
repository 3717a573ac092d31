/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/jail.c: what is forbidden afterwards, each in a child of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/jail.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#else
#define FILTERED 1
#endif

enum {
	FINE = 42,
	VIOLATION = 5
};

/* Runs fn in a child; its exit status. */
static int child(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(FINE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void enter(bool net)
{
	if (jail_files(net, NULL) < 0 || jail_process(net, NULL) < 0)
		_exit(1);
}

static void do_allowed(void)
{
	int fd[2];

	if (pipe(fd) < 0)
		_exit(2);
	enter(false);
	if (write(fd[1], "x", 1) != 1 || getpid() < 1)
		_exit(3);
}

static void *do_nothing(void *arg)
{
	return arg;
}

static void one_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, do_nothing, NULL) || pthread_join(t, NULL))
		_exit(3);
}

static void do_thread(void)
{
	one_thread(); /* a process's first one sets signals up */
	enter(false);
	one_thread();
}

static void do_fork(void)
{
	enter(true);
	(void)fork();
}

static void do_namespace(void)
{
	const unsigned long thread =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

	enter(true);
	syscall(SYS_clone, thread | CLONE_NEWNET, 0, 0, 0, 0);
}

static void do_open(void)
{
	int fd;

	enter(false);
	fd = open("/etc/passwd", O_RDONLY);
	_exit(fd < 0 && errno == EACCES ? FINE : 3);
}

static void do_open_with_net(void)
{
	int old, fresh;

	enter(true);
	old = open("/etc/passwd", O_RDONLY);
	fresh = open("/tmp/jail_test", O_RDWR | O_CREAT, 0600);
	if (old >= 0 || fresh >= 0)
		_exit(3);
}

static void do_exec(void)
{
	enter(true);
	execl("/bin/true", "true", NULL);
}

static void do_socket(void)
{
	enter(false);
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void do_socket_with_net(void)
{
	int fd;

	enter(true);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	_exit(fd >= 0 ? FINE : 3);
}

static void do_ptrace(void)
{
	enter(true);
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_vcpu_socket(void)
{
	enter(true);
	if (jail_vcpu() < 0) /* narrower than the process */
		_exit(2);
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void do_disk_open(void)
{
	enter(true); /* where files can be tried and sockets made */
	if (jail_disk() < 0)
		_exit(2);
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void do_disk_read(void)
{
	struct iovec v = {.iov_base = (char[]){'x'}, .iov_len = 1};

	enter(true);
	if (jail_disk() < 0)
		_exit(2);
	if (preadv(STDIN_FILENO, &v, 1, 0) < 0) /* reading files is the ring's business */
		_exit(3);
}

static void do_ring(void)
{
	uint8_t params[120] = {0};

	enter(true);
	syscall(SYS_io_uring_setup, 1, params);
}

static void do_ring_change(void)
{
	enter(true);
	syscall(SYS_io_uring_register, 0, 0, NULL, 0);
}

static void do_disk_works(void)
{
	enter(false);
	if (jail_disk() < 0)
		_exit(2);
	(void)syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
	if (write(STDERR_FILENO, "", 0) < 0)
		_exit(3);
}

static void what_is_needed_works(void **state)
{
	(void)state;
	assert_int_equal(child(do_allowed), FINE);
	assert_int_equal(child(do_socket_with_net), FINE);
	assert_int_equal(child(do_disk_works), FINE);
	assert_int_equal(child(do_thread), FINE); /* of a device that is plugged in */
}

static void files_cannot_be_opened(void **state)
{
	(void)state;
	if (!FILTERED)
		skip();
	assert_int_equal(child(do_open), FINE);
	assert_int_equal(child(do_open_with_net), FINE);
}

static void the_rest_ends_the_process(void **state)
{
	(void)state;
	if (!FILTERED)
		skip();
	assert_int_equal(child(do_exec), VIOLATION);
	assert_int_equal(child(do_socket), VIOLATION);
	assert_int_equal(child(do_ptrace), VIOLATION);
	assert_int_equal(child(do_fork), VIOLATION);
	assert_int_equal(child(do_namespace), VIOLATION);
	assert_int_equal(child(do_vcpu_socket), VIOLATION);
	assert_int_equal(child(do_ring), VIOLATION);
	assert_int_equal(child(do_ring_change), VIOLATION);
	assert_int_equal(child(do_disk_open), VIOLATION);
	assert_int_equal(child(do_disk_read), VIOLATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_needed_works),
		cmocka_unit_test(files_cannot_be_opened),
		cmocka_unit_test(the_rest_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
