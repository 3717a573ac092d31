/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Spawning and taking up processes, on real ones.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/proc.h"

static char dir[64], log_path[96];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/proc-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	return 0;
}

static int drop_dir(void **state)
{
	(void)state;
	unlink(log_path);
	return rmdir(dir);
}

static void wait_end(struct host_proc *p, struct host_exit *x)
{
	struct pollfd f = {.fd = p->pidfd, .events = POLLIN};

	assert_int_equal(poll(&f, 1, 10000), 1);
	assert_true(host_proc_ended(p, x));
}

static int spawn_sh(const char *script, struct host_spawn s, struct host_proc *p, struct err *e)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};

	s.argv = argv;
	s.log = log_path;
	s.files = s.files ? s.files : 64;
	return host_proc_spawn(&s, p, e);
}

static void exit_code_and_output(void **state)
{
	struct host_proc p;
	struct host_exit x;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(spawn_sh("ulimit -n; echo err >&2; exit 3",
				  (struct host_spawn){.files = 99}, &p, NULL),
			 0);
	wait_end(&p, &x);
	assert_true(x.known);
	assert_int_equal(x.code, 3);
	host_proc_fini(&p);
	assert_int_equal(file_read(log_path, 4096, &text, &len, NULL), 0);
	assert_string_equal(text, "99\nerr\n");
	free(text);
}

static void killed_is_told(void **state)
{
	struct host_proc p;
	struct host_exit x;

	(void)state;
	assert_int_equal(spawn_sh("sleep 100", (struct host_spawn){0}, &p, NULL), 0);
	assert_int_equal(getsid(p.pid), p.pid);
	assert_false(host_proc_ended(&p, &x));
	host_proc_signal(&p, SIGKILL);
	wait_end(&p, &x);
	assert_int_equal(x.signal, SIGKILL);
	host_proc_fini(&p);
}

static void missing_program_is_an_error(void **state)
{
	const char *argv[] = {"/nonexistent/program", NULL};
	struct host_spawn s = {.argv = argv, .log = log_path, .files = 64};
	struct host_proc p;
	struct err e = {0};

	(void)state;
	assert_int_equal(host_proc_spawn(&s, &p, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent/program"));
	assert_int_equal(p.pidfd, -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left to reap */
}

static int refuse(void *arg, const struct host_proc *p)
{
	*(pid_t *)arg = p->pid;
	return -ENOSPC;
}

static void nothing_runs_unless_noted_down(void **state)
{
	struct host_proc p;
	struct err e = {0};
	pid_t noted = 0;
	char *text = NULL;
	size_t len;

	(void)state;
	unlink(log_path);
	assert_int_equal(
		spawn_sh("echo ran", (struct host_spawn){.commit = refuse, .arg = &noted}, &p, &e),
		-ENOSPC);
	assert_true(noted > 0);
	assert_int_equal(kill(noted, 0), -1);
	assert_int_equal(file_read(log_path, 4096, &text, &len, NULL), 0);
	assert_string_equal(text, "");
	free(text);
}

static void adopt_checks_the_start_time(void **state)
{
	struct host_proc p, q;
	struct host_exit x;

	(void)state;
	assert_int_equal(spawn_sh("sleep 100", (struct host_spawn){0}, &p, NULL), 0);
	assert_int_equal(host_proc_adopt(p.pid, p.started + 1, &q), -ESRCH);
	assert_int_equal(host_proc_adopt(0, p.started, &q), -ESRCH);
	assert_int_equal(host_proc_adopt(p.pid, 0, &q), -ESRCH);
	assert_int_equal(host_proc_adopt(p.pid, p.started, &q), 0);
	assert_false(host_proc_ended(&q, &x));
	host_proc_signal(&q, SIGKILL);
	wait_end(&q, &x);
	assert_false(x.known); /* an adopted one tells nobody its status */
	host_proc_fini(&q);
	wait_end(&p, &x);
	host_proc_fini(&p);
	assert_int_equal(host_proc_adopt(p.pid, 1, &q), -ESRCH);
}

static void start_time_survives_odd_names(void **state)
{
	(void)state;
	assert_true(host_proc_start_time(getpid()) > 0);
	assert_int_equal(host_proc_start_time(0x3fffffff), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_code_and_output),
		cmocka_unit_test(killed_is_told),
		cmocka_unit_test(missing_program_is_an_error),
		cmocka_unit_test(nothing_runs_unless_noted_down),
		cmocka_unit_test(adopt_checks_the_start_time),
		cmocka_unit_test(start_time_survives_odd_names),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
