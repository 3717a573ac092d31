/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-cell's command line.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "vmm/host/driver.h"

#define KEY "11111111-1111-4111-8111-111111111111"

static const char *value_of(const struct host_argv *a, const char *flag)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i] && strcmp(a->v[i], flag) == 0)
			return i + 1 < a->n ? a->v[i + 1] : "";
	return NULL;
}

static void the_command_line(void **state)
{
	struct host_config c = {.cell = (char[]){"/x/pane-cell"},
				.state_dir = (char[]){"/s"},
				.cell_pids = 99,
				.cell_disk_mib = 4096};
	struct host_image img = {.dir = "/s/images/office", .size = "1280x800"};
	struct host_machine_spec s = {.config = &c,
				      .id = KEY,
				      .name = "office-1",
				      .dir = "/s/d",
				      .run = "/r/d",
				      .cpus = 2,
				      .memory_mib = 1024,
				      .home = KEY,
				      .reset = true,
				      .net = "user",
				      .image = &img};
	struct host_argv a = {0};

	(void)state;
	assert_int_equal(host_driver_of(HOST_CONTAINER)->argv(&s, &a), 0);
	assert_string_equal(a.v[0], "/x/pane-cell");
	assert_string_equal(value_of(&a, "--scope"), "/s"); /* its names are this agent's */
	assert_null(value_of(&a, "--io-mib"));
	assert_null(value_of(&a, "--glx"));
	assert_string_equal(value_of(&a, "--root"), "/s/images/office/disk.raw");
	assert_string_equal(value_of(&a, "--upper"), "/s/d/upper");
	assert_string_equal(value_of(&a, "--home"), "/s/homes/" KEY);
	assert_non_null(value_of(&a, "--reset"));
	assert_string_equal(value_of(&a, "--disk"), "4096");
	assert_string_equal(value_of(&a, "--pids"), "99");
	assert_string_equal(value_of(&a, "--size"), "1280x800");
	assert_null(a.v[a.n]);
	host_argv_free(&a);
	s.home = "";
	s.reset = false;
	s.disk_mib = 100;
	c.cell_io_mib = 50;
	c.cell_io_ops = 900;
	c.cell_glx = true;
	assert_int_equal(host_container_driver.argv(&s, &a), 0);
	assert_string_equal(value_of(&a, "--home"), "/s/d/home");
	assert_null(value_of(&a, "--reset"));
	assert_string_equal(value_of(&a, "--disk"), "100");
	assert_string_equal(value_of(&a, "--io-mib"), "50");
	assert_string_equal(value_of(&a, "--io-ops"), "900");
	assert_non_null(value_of(&a, "--glx"));
	host_argv_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
