/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The login file: there and back, private, and absent at first.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clients/cli/session.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/session-test-XXXXXX");
	return mkdtemp(dir) ? setenv("XDG_CONFIG_HOME", dir, 1) : -1;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/pane/session.json", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/pane", dir);
	rmdir(path);
	return rmdir(dir);
}

static void there_and_back(void **state)
{
	struct cli_session s, t;
	char path[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(cli_session_load(&s, NULL), 0);
	assert_string_equal(s.server, "");
	snprintf(s.server, sizeof(s.server), "https://h:1");
	snprintf(s.user, sizeof(s.user), "alice");
	assert_int_equal(secret_set(&s.token, "t0ken", 5), 0);
	assert_int_equal(cli_session_save(&s, NULL), 0);
	assert_int_equal(cli_session_load(&t, NULL), 0);
	assert_string_equal(t.server, "https://h:1");
	assert_string_equal(t.user, "alice");
	assert_true(secret_equal(&s.token, &t.token));
	assert_int_equal(cli_session_path(path, "session.json", NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_and_back, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
