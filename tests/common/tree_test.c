/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trees that somebody hostile made: deeper than any path, with links out of them, with names that
 * the removal itself would like to use.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/tree.h"

static char root[64], tree[80], outside[80];

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/tree-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(tree, sizeof(tree), "%s/tree", root);
	snprintf(outside, sizeof(outside), "%s/outside", root);
	return mkdir(tree, 0700) || mkdir(outside, 0700);
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(outside) || rmdir(root);
}

static void test_deep(void **state)
{
	char name[201] = "";
	struct err e = {0};
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(mkdirat(fd, ".deep-0", 0700), 0);
	memset(name, 'x', sizeof(name) - 1);
	for (int i = 0; i < 1000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0700), 0);
		assert_int_equal(symlinkat(outside, fd, "link"), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	if (tree_delete(tree, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(access(tree, F_OK), -1);
	assert_int_equal(access(outside, F_OK), 0);
}

static void test_link_is_not_followed(void **state)
{
	char file[100];

	(void)state;
	snprintf(file, sizeof(file), "%s/precious", outside);
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(symlink(outside, tree), 0);
	assert_int_equal(tree_delete(tree, NULL), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(unlink(file), 0);
}

static void test_file_and_nothing(void **state)
{
	(void)state;
	close(open(tree, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(tree_delete(tree, NULL), 0);
	assert_int_equal(access(tree, F_OK), -1);
	assert_int_equal(tree_delete(tree, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_link_is_not_followed),
		cmocka_unit_test(test_file_and_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
