/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files that several make at the same time, one of whom may die on the way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"

static char root[64], path[80], part[96];

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/file-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/home", root);
	snprintf(part, sizeof(part), "%s.new", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(part);
	return rmdir(root);
}

static int size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? -1 : (int)st.st_size;
}

/* Counts its calls, and ends as it is told. */
struct filler {
	int calls, end;
};

static int fill(int fd, const char *tmp, void *arg, struct err *e)
{
	struct filler *f = arg;

	f->calls++;
	assert_string_equal(tmp, part);
	assert_int_equal(size_of(path), -1); /* not to be seen before it is whole */
	assert_int_equal(write(fd, "files", 5), 5);
	return f->end < 0 ? err_set(e, f->end, "no") : 0;
}

static void once_however_often_it_is_asked_for(void **state)
{
	struct filler f = {0};

	(void)state;
	assert_int_equal(file_make_once(path, fill, &f, NULL), 0);
	assert_int_equal(size_of(path), 5);
	assert_int_equal(file_make_once(path, fill, &f, NULL), 0);
	assert_int_equal(f.calls, 1);
	assert_int_equal(size_of(part), -1);
}

static void a_failed_one_leaves_nothing(void **state)
{
	struct filler f = {.end = -ENOSPC};

	(void)state;
	assert_int_equal(file_make_once(path, fill, &f, NULL), -ENOSPC);
	assert_int_equal(size_of(path), -1);
	assert_int_equal(size_of(part), -1);
	f.end = 0;
	assert_int_equal(file_make_once(path, fill, &f, NULL), 0);
}

static void what_a_dead_one_left_is_begun_anew(void **state)
{
	struct filler f = {0};
	int fd = open(part, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, "half of something", 17), 17);
	close(fd);
	assert_int_equal(file_make_once(path, fill, &f, NULL), 0);
	assert_int_equal(size_of(path), 5);
}

static void while_another_makes_it_it_is_left_alone(void **state)
{
	struct filler f = {0};
	struct err e = {0};
	int fd = open(part, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0); /* as another host has it */
	assert_int_equal(write(fd, "theirs", 6), 6);
	assert_int_equal(file_make_once(path, fill, &f, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "another one makes it"));
	assert_int_equal(size_of(part), 6);
	assert_int_equal(rename(part, path), 0);
	close(fd);
	assert_int_equal(file_make_once(path, fill, &f, &e), 0);
	assert_int_equal(f.calls, 0);
	assert_int_equal(size_of(path), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(once_however_often_it_is_asked_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_failed_one_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_dead_one_left_is_begun_anew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(while_another_makes_it_it_is_left_alone, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
