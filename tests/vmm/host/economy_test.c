/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What /proc says of a machine's memory and work.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "vmm/host/economy.h"

static void a_parents_pages_are_not_a_clones_own(void **state)
{
	(void)state;
	assert_int_equal(host_economy_own_mib("Name:\tpane-vmm\nVmRSS:\t  999999 kB\nRssAnon:\t"
					      "   40960 kB\nRssFile:\t  900000 kB\nRssShmem:\t"
					      "    2048 kB\n"),
			 42);
	assert_int_equal(host_economy_own_mib("Name:\tpane-vmm\n"), 0);
}

static void any_name_is_read_over(void **state)
{
	(void)state;
	assert_int_equal(host_economy_ticks("7 (a ) 1 2) S 1 7 7 0 -1 4194560 9 0 0 0 30 12 5 6 20 "
					    "0 3 0 99"),
			 42);
	assert_int_equal(host_economy_ticks("7 (cut) S 1 7"), -1);
	assert_int_equal(host_economy_ticks(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_parents_pages_are_not_a_clones_own),
		cmocka_unit_test(any_name_is_read_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
