/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files say that an ordinary user's start goes by: /etc/subuid, and which control group of
 * version 2 was delegated to the user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "vmm/cell/limits.h"
#include "vmm/cell/rootless.h"

static void the_first_range_that_is_large_enough_is_taken(void **state)
{
	static const char text[] = "anna:100000:65536\nbob:165536:1000\nbob:200000:65536\n"
				   "# bob\n1003:300000:131072\nanna2:5:65536";
	uid_t first = 0;

	(void)state;
	assert_int_equal(cell_subid_find(text, "anna", 1001, &first), 0);
	assert_int_equal(first, 100000);
	assert_int_equal(cell_subid_find(text, "bob", 1002, &first), 0);
	assert_int_equal(first, 200000); /* the other is too short */
	assert_int_equal(cell_subid_find(text, NULL, 1003, &first), 0);
	assert_int_equal(first, 300000); /* by number */
	assert_int_equal(cell_subid_find(text, "ann", 1004, &first), -ENOENT);
	assert_int_equal(cell_subid_find("", "anna", 1001, &first), -ENOENT);
	assert_int_equal(cell_subid_find("x:0:65536\nx:4294967000:65536\n", "x", 1, &first),
			 -ENOENT); /* root's, or past the end */
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];

	assert_int_equal(path_join(path, sizeof(path), dir, name), 0);
	assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static void the_nearest_group_that_shares_out_is_found(void **state)
{
	char top[] = "/tmp/cellcgXXXXXX", a[64], b[64], out[256], command[64];

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(a, sizeof(a), "%s/user", top);
	snprintf(b, sizeof(b), "%s/user/shell", top);
	assert_int_equal(mkdir(a, 0755) | mkdir(b, 0755), 0);
	put(b, "cgroup.procs", "");
	put(b, "cgroup.subtree_control", "");
	assert_int_equal(cell_limits_delegated(top, "/user/shell", out, sizeof(out)), -ENOENT);
	put(a, "cgroup.procs", "");
	put(a, "cgroup.subtree_control", "cpu memory\n"); /* no pids: no fork bomb is held */
	assert_int_equal(cell_limits_delegated(top, "/user/shell", out, sizeof(out)), -ENOENT);
	put(a, "cgroup.subtree_control", "cpu memory pids\n");
	assert_int_equal(cell_limits_delegated(top, "/user/shell", out, sizeof(out)), 0);
	assert_string_equal(out, a);
	assert_int_equal(cell_limits_delegated(top, "/none", out, sizeof(out)), -ENOENT);
	snprintf(command, sizeof(command), "rm -r %s", top);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_range_that_is_large_enough_is_taken),
		cmocka_unit_test(the_nearest_group_that_shares_out_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
