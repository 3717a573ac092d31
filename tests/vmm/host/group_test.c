/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control groups of virtual machines: on this machine's own hierarchy, and where there is none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cgroup.h"
#include "common/file.h"
#include "vmm/host/group.h"

static char top[64];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/group.XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

static bool holds(const char *dir, const char *file, const char *word)
{
	return cgroup_has(dir, file, word);
}

/* The real thing: made twice, joined by a process, removed when that is gone and not before. */
static void real(void **state)
{
	char key[32], pid[24], dir[PATH_MAX];
	struct err e = {0};
	int hold[2], r;
	pid_t child;
	char c;

	(void)state;
	snprintf(key, sizeof(key), "test-%d", (int)getpid());
	r = host_group_make(CGROUP_TOP, key, dir, &e);
	if (r == -EOPNOTSUPP) {
		print_message("skipped: %s\n", e.msg);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(host_group_make(CGROUP_TOP, key, dir, &e), 0);
	assert_non_null(strstr(dir, "/pane/vm-test-"));
	assert_true(holds(dir, "cpu.weight", "100") || holds(dir, "cpu.shares", "1024"));
	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (child == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) < 0 ? 1 : 0);
	}
	close(hold[0]);
	snprintf(pid, sizeof(pid), "%d", (int)child);
	host_group_join(dir, child);
	assert_true(holds(dir, "cgroup.procs", pid));
	host_group_remove(dir);
	assert_int_equal(access(dir, F_OK), 0);
	close(hold[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	host_group_remove(dir);
	assert_int_equal(access(dir, F_OK), -1);
	host_group_join("", 1); /* no group, nothing to do */
	host_group_remove("");
}

static void nothing_there(void **state)
{
	char dir[PATH_MAX];
	struct err e = {0};

	(void)state;
	assert_int_equal(host_group_make(top, "x", dir, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "controller cpu"));
}

/* A hierarchy whose groups have no weight (a file system that only looks like one): told, and
 * nothing left of it. */
static void no_weight(void **state)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct err e = {0};

	(void)state;
	snprintf(path, sizeof(path), "%s/cpu", top);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/cpu/cgroup.procs", top);
	assert_int_equal(file_write(path, "", 0, 0600, NULL), 0);
	assert_int_equal(host_group_make(top, "x", dir, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "vm-x/cpu.shares"));
	assert_int_equal(access(dir, F_OK), -1);
}

static void put_file(const char *name, const char *text)
{
	char path[PATH_MAX], *slash;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	slash = strrchr(path, '/');
	*slash = 0;
	assert_int_equal(dir_make(path, 0700, NULL), 0);
	*slash = '/';
	assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* Version 2, from the top: the controller is shared out twice, then the group has its weight. The
 * files are there already, as the kernel would make them. */
static void version_2(void **state)
{
	char dir[PATH_MAX], pane[PATH_MAX];
	struct err e = {0};

	(void)state;
	put_file("cgroup.controllers", "cpuset cpu io memory\n");
	put_file("cgroup.subtree_control", "");
	put_file("pane/cgroup.subtree_control", "");
	put_file("pane/vm-x/cpu.weight", "1  ");
	put_file("pane/vm-x/cgroup.procs", "");
	assert_int_equal(host_group_make(top, "x", dir, &e), 0);
	snprintf(pane, sizeof(pane), "%s/pane", top);
	assert_true(holds(top, "cgroup.subtree_control", "+cpu"));
	assert_true(holds(pane, "cgroup.subtree_control", "+cpu"));
	assert_true(holds(dir, "cpu.weight", "100"));
	host_group_join(dir, 4711);
	assert_true(holds(dir, "cgroup.procs", "4711"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real),
		cmocka_unit_test_setup_teardown(nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(no_weight, setup, teardown),
		cmocka_unit_test_setup_teardown(version_2, setup, teardown),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
