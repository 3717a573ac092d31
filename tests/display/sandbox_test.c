/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sandbox: what it denies is denied, what the display needs still works.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "display/sandbox.h"

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

static bool unix_sockets_work(void)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	return fd >= 0;
}

static bool no_programs(void)
{
	char *const argv[] = {(char[]){"false"}, NULL};

	return execv("/bin/false", argv) < 0 && errno == EPERM;
}

static bool no_tracing_no_mounts(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM &&
	       mount("none", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM;
}

static bool no_new_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 0;
}

static void *in_thread(void *arg)
{
	*(bool *)arg = no_network();
	return NULL;
}

static bool threads_start_and_are_held(void)
{
	pthread_t t;
	bool held = false;

	return pthread_create(&t, NULL, in_thread, &held) == 0 && pthread_join(t, NULL) == 0 &&
	       held;
}

/* Runs check in a child that is in the sandbox. */
static void holds(bool (*check)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0)
		_exit(disp_sandbox_enter(NULL) < 0 ? 2 : check() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_network_is_gone(void **state)
{
	(void)state;
	holds(no_network);
	holds(unix_sockets_work);
}

static void nothing_can_be_started_or_traced(void **state)
{
	(void)state;
	holds(no_programs);
	holds(no_tracing_no_mounts);
	holds(no_new_privileges);
}

static void threads_are_inside_too(void **state)
{
	(void)state;
	holds(threads_start_and_are_held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_network_is_gone),
		cmocka_unit_test(nothing_can_be_started_or_traced),
		cmocka_unit_test(threads_are_inside_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
