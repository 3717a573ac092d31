/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * state.json there and back, damaged ones, and the bounded logs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/json.h"
#include "vmm/host/desktop.h"

#define ID "11111111-1111-4111-8111-111111111111"

static char root[64];
static struct host_config conf;
static struct host_desktop d;

static int setup(void **state)
{
	static char state_dir[96], run_dir[96];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/desktop-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	conf = (struct host_config){.state_dir = state_dir, .run_dir = run_dir};
	d = (struct host_desktop){.rec = {.order = {.id = ID,
						    .name = "office-1",
						    .image = "office",
						    .epoch = 7,
						    .want = HOST_WANT_RUNNING,
						    .cpus = 2,
						    .memory_mib = 512}}};
	return host_desktop_paths(&conf, &d) || host_desktop_make(&d, NULL);
}

static int teardown(void **state)
{
	char path[160];

	(void)state;
	if (host_desktop_delete(&conf, &d, NULL) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/state/desktops", root);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/state", root);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/run", root);
	rmdir(path);
	return rmdir(root);
}

static void a_record_comes_back_whole(void **state)
{
	struct host_desktop e = d;

	(void)state;
	d.rec.vmm_pid = 1234;
	d.rec.vmm_started = 99999999999;
	d.rec.ready = true;
	d.rec.fails = 2;
	snprintf(d.rec.reason, sizeof(d.rec.reason), "guest \"panicked\"");
	snprintf(d.rec.version, sizeof(d.rec.version), "abcdef");
	assert_int_equal(host_desktop_save(&d, NULL), 0);
	assert_int_equal(host_desktop_load(&e, NULL), 0);
	assert_int_equal(e.rec.vmm_pid, 1234);
	assert_int_equal(e.rec.vmm_started, 99999999999);
	assert_int_equal(e.rec.display_pid, 0);
	assert_true(e.rec.ready);
	assert_int_equal(e.rec.fails, 2);
	assert_int_equal(e.rec.order.epoch, 7);
	assert_int_equal(e.rec.order.want, HOST_WANT_RUNNING);
	assert_string_equal(e.rec.reason, "guest \"panicked\"");
	assert_string_equal(e.rec.version, "abcdef");
	assert_true(e.rec.boot[0] != 0);
}

static void damaged_records_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"id\":\"" ID "\"}",
		"{\"id\":\"" ID
		"\",\"name\":\"a\",\"image\":\"i\",\"epoch\":1,\"want\":\"running\",\"cpus\":1,"
		"\"memory_mib\":64,\"vmm\":{\"pid\":1,\"started\":1}}",
		"{\"id\":\"" ID "\",\"name\":\"a\",\"image\":\"../"
		"i\",\"epoch\":1,\"want\":\"running\",\"cpus\":1,\"memory_mib\":64}",
		"{\"id\":\"21111111-1111-4111-8111-111111111111\",\"name\":\"a\",\"image\":\"i\","
		"\"epoch\":1,\"want\":\"running\",\"cpus\":1,\"memory_mib\":64}",
	};
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(path_join(path, sizeof(path), d.dir, "state.json"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct host_desktop e = d;
		struct err err = {0};

		assert_int_equal(file_write(path, bad[i], strlen(bad[i]), 0600, NULL), 0);
		assert_true(host_desktop_load(&e, &err) < 0);
		assert_true(host_desktop_load(&e, NULL) < 0);
	}
}

static void a_log_is_bounded_and_its_tail_kept(void **state)
{
	char path[PATH_MAX], old[PATH_MAX], text[5000];
	struct stat st;
	char *tail;
	size_t len;

	(void)state;
	memset(text, 'a', sizeof(text));
	memset(text + 4000, 'z', 1000);
	assert_int_equal(path_join(path, sizeof(path), d.dir, "vmm.log"), 0);
	assert_int_equal(path_join(old, sizeof(old), d.dir, "vmm.log.1"), 0);
	assert_int_equal(file_write(path, text, sizeof(text), 0600, NULL), 0);
	host_desktop_bound_log(&d, "vmm.log", 5000);
	assert_int_equal(stat(old, &st), -1);
	host_desktop_bound_log(&d, "vmm.log", 1000);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(stat(old, &st), 0);
	assert_int_equal(st.st_size, 1000);
	assert_int_equal(file_read(old, 1000, &tail, &len, NULL), 0);
	assert_memory_equal(tail, text + 4000, 1000);
	free(tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_comes_back_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_records_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_is_bounded_and_its_tail_kept, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
