/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What cell_net means to pane-cell.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include "vmm/host/cell_net.h"

static void settings(void **state)
{
	static const char *const bad[] = {
		"",
		"bridge",
		"bridge=b",
		"bridge=b,subnet=10.0.0.0",
		"bridge=b,subnet=300.0.0.0/16",
		"bridge=b,subnet=10.0.0.0/31",
		"bridge=b,subnet=10.0.0.0/16,dns=x",
		"bridge=b,subnet=10.0.0.0/16,dns=1.1.1.1,gw=2.2.2.2",
		"bridge=a;b,subnet=10.0.0.0/16",
	};
	char out[HOST_CELL_NET_MAX];

	(void)state;
	assert_int_equal(host_cell_net("user", 0, out), 0);
	assert_string_equal(out, "user");
	assert_int_equal(host_cell_net("bridge=pane0,subnet=10.77.3.0/16", 300, out), 0);
	assert_string_equal(out, "bridge=pane0,ip=10.77.1.44/16,gw=10.77.0.1");
	assert_int_equal(host_cell_net("bridge=pane0,subnet=10.77.0.0/24,dns=9.9.9.9", 254, out),
			 0);
	assert_string_equal(out, "bridge=pane0,ip=10.77.0.254/24,gw=10.77.0.1,dns=9.9.9.9");
	assert_int_equal(host_cell_net("bridge=pane0,subnet=10.77.0.0/24", 255, out), -ERANGE);
	assert_int_equal(host_cell_net("bridge=pane0,subnet=10.77.0.0/24", 1, out), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(host_cell_net(bad[i], 2, out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
