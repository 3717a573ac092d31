/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Admission: refusals give both numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/host/capacity.h"

static void meminfo(void **state)
{
	int64_t total, available;

	(void)state;
	assert_int_equal(
		host_meminfo("MemTotal:  8192 kB\nMemFree: 1 kB\nMemAvailable:   4096 kB\n", &total,
			     &available),
		0);
	assert_int_equal(total, 8);
	assert_int_equal(available, 4);
	assert_int_equal(host_meminfo("MemFree: 1 kB\n", &total, &available), -EPROTO);
}

static void admission(void **state)
{
	struct host_capacity c = {.memory_mib = 8000,
				  .memory_free_mib = 1200,
				  .disk_free_mib = 10,
				  .kvm = "hardware"};
	struct err e = {0};

	(void)state;
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1200, NULL), 0);
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 4096, &e), -ENOMEM);
	assert_string_equal(e.msg, "needs 4096 MiB, 1200 free");
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 9000, &e), -ENOMEM);
	assert_string_equal(e.msg, "needs 9000 MiB, this host has 8000 MiB in all");
	c.disk_free_mib = 0;
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 100, &e), -ENOSPC);
	strcpy(c.kvm, "none");
	strcpy(c.why, "no /dev/kvm");
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 100, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "no /dev/kvm"));
}

static void promises_count(void **state)
{
	struct host_config conf = {.state_dir = (char[]){"/tmp"}};
	struct host_capacity c = {0};

	(void)state;
	host_capacity_measure(&conf, 0, &c);
	assert_true(c.cpus > 0 && c.memory_mib > 0 && c.memory_free_mib > 0);
	host_capacity_measure(&conf, c.memory_mib - 5, &c);
	assert_int_equal(c.memory_free_mib, 5);
	host_capacity_measure(&conf, c.memory_mib * 2, &c);
	assert_int_equal(c.memory_free_mib, 0);
}

static void a_missing_prober_is_no_kvm(void **state)
{
	struct host_config conf = {.vmm = (char[]){"/nonexistent/vmm"}};
	struct host_capacity c;

	(void)state;
	host_capacity_probe(&conf, &c);
	assert_string_equal(c.kvm, "none");
	assert_non_null(strstr(c.why, "/nonexistent/vmm"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meminfo),
		cmocka_unit_test(admission),
		cmocka_unit_test(promises_count),
		cmocka_unit_test(a_missing_prober_is_no_kvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
