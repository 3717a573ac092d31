/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A result is there as a whole or not at all, and leftovers go with the next run.
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
#include <unistd.h>
#include "vmm/image/staging.h"

static char root[64], target[96];

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/staging-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(target, sizeof(target), "%s/office", root);
	return 0;
}

static int teardown(void **state)
{
	char cmd[96];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return system(cmd);
}

static void a_commit_puts_it_there(void **state)
{
	struct img_staging s;

	(void)state;
	assert_int_equal(img_staging_begin(&s, target, NULL), 0);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(img_staging_commit(&s, NULL), 0);
	img_staging_end(&s);
	assert_int_equal(access(target, F_OK), 0);
	assert_int_equal(rmdir(target), 0);
	assert_int_equal(rmdir(root), 0); /* nothing else was left */
	assert_int_equal(mkdir(root, 0700), 0);
}

static void a_living_run_is_left_alone(void **state)
{
	struct img_staging s, other;
	struct err e = {0};

	(void)state;
	assert_int_equal(img_staging_begin(&s, target, NULL), 0);
	assert_int_equal(img_staging_begin(&other, target, &e), -EBUSY);
	img_staging_end(&other);
	assert_int_equal(access(s.work, F_OK), 0);
	img_staging_end(&s);
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(mkdir(root, 0700), 0);
}

static void leftovers_go(void **state)
{
	struct img_staging s;
	char left[160], deep[200];

	(void)state;
	snprintf(left, sizeof(left), "%s/.pane-image.killed", root);
	snprintf(deep, sizeof(deep), "%s/work", left);
	assert_int_equal(mkdir(left, 0700), 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(img_staging_begin(&s, target, NULL), 0);
	assert_int_equal(access(left, F_OK), -1);
	img_staging_end(&s);
}

static void what_is_there_stays(void **state)
{
	struct img_staging s;

	(void)state;
	assert_int_equal(img_staging_begin(&s, root, NULL), 0); /* empty: taken */
	img_staging_end(&s);
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(img_staging_begin(&s, root, NULL), -EEXIST);
	img_staging_end(&s);
	assert_int_equal(img_staging_begin(&s, "..", NULL), -EINVAL);
	assert_int_equal(img_staging_begin(&s, "", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_puts_it_there),
		cmocka_unit_test(a_living_run_is_left_alone),
		cmocka_unit_test(leftovers_go),
		cmocka_unit_test(what_is_there_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
