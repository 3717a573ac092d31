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
	c.vm = true;
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1200, 100, NULL), 0);
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 4096, 100, &e), -ENOMEM);
	assert_string_equal(e.msg, "needs 4096 MiB, 1200 free");
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 9000, 100, &e), -ENOMEM);
	assert_string_equal(e.msg, "needs 9000 MiB, this host has 8000 MiB in all");
	c.disk_free_mib = 0;
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 100, 100, &e), -ENOSPC);
	strcpy(c.kvm, "none");
	strcpy(c.why, "no /dev/kvm");
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 100, 100, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "no /dev/kvm"));
}

static void admission_beyond(void **state)
{
	struct host_capacity c = {.memory_mib = 8000,
				  .memory_free_mib = 0,
				  .memory_available_mib = 3000,
				  .promised_mib = 9000,
				  .disk_free_mib = 10,
				  .vm = true,
				  .kvm = "hardware"};
	struct err e = {0};

	(void)state;
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1000, 100, NULL), -ENOMEM);
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 3000, 150, NULL), 0);
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 3001, 150, &e), -ENOMEM);
	assert_string_equal(e.msg, "needs 3001 MiB, 3000 free of 150 % of its memory");
	c.starting_mib = 3000; /* who will want 2000 of the 3000 that are there */
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1500, 150, NULL), 0);
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1600, 150, &e), -ENOMEM);
	assert_string_equal(e.msg, "is out of memory: 1000 MiB are left");
}

static void which_virtual_machines(void **state)
{
	struct host_capacity c = {.kvm = "interpreted", .why = "a test"};
	struct err e = {0};

	(void)state;
	host_capacity_vm(&c, NULL);
	assert_false(c.vm);
	assert_non_null(
		strstr(c.vm_why, "has no hardware virtualization; its KVM is: interpreted"));
	assert_non_null(strstr(c.vm_why, "vm = always"));
	assert_int_equal(host_capacity_admit(&c, HOST_VM, 1, 100, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "no hardware virtualization"));
	host_capacity_vm(&c, "always");
	assert_true(c.vm);
	strcpy(c.kvm, "none");
	host_capacity_vm(&c, "always");
	assert_false(c.vm);
	strcpy(c.kvm, "hardware");
	host_capacity_vm(&c, "auto");
	assert_true(c.vm);
	assert_string_equal(c.vm_why, "");
	host_capacity_vm(&c, "never");
	assert_false(c.vm);
}

static void what_containers_can(void **state)
{
	struct host_capacity c = {.memory_mib = 100, .memory_free_mib = 100, .disk_free_mib = 1};
	static const char full[] = "{\"cell\":\"full\",\"why\":\"\",\"limits\":\"cgroup2\","
				   "\"net\":[\"none\",\"user\"]}";

	(void)state;
	assert_int_equal(host_capacity_cell(&c, full, NULL), 0);
	assert_true(c.container);
	assert_string_equal(c.container_why, "");
	assert_string_equal(c.net, "user");
	assert_int_equal(host_capacity_admit(&c, HOST_CONTAINER, 1, 100, NULL), 0);
	assert_int_equal(host_capacity_cell(&c, full, "none"), 0);
	assert_string_equal(c.net, "none");
	assert_int_equal(
		host_capacity_cell(
			&c, "{\"cell\":\"full\",\"limits\":\"rlimit\",\"lacks\":\"rlimits only\"}",
			NULL),
		0);
	assert_string_equal(c.net, "none");
	assert_non_null(strstr(c.container_why, "rlimits only"));
	assert_int_equal(host_capacity_cell(&c, "{\"cell\":\"none\",\"why\":\"not root\"}", NULL),
			 0);
	assert_int_equal(host_capacity_admit(&c, HOST_CONTAINER, 1, 100, NULL), -ENODEV);
	assert_string_equal(c.container_why, "not root");
	assert_int_equal(host_capacity_cell(&c, "no JSON", NULL), -EPROTO);
	assert_int_equal(host_capacity_cell(&c, "{\"cell\":7}", NULL), -EPROTO);
}

static void promises_count(void **state)
{
	struct host_config conf = {.state_dir = (char[]){"/tmp"}};
	struct host_capacity c = {0};

	(void)state;
	host_capacity_measure(&conf, 0, 0, &c);
	assert_true(c.cpus > 0 && c.memory_mib > 0 && c.memory_free_mib > 0);
	host_capacity_measure(&conf, c.memory_mib - 5, 0, &c);
	assert_int_equal(c.memory_free_mib, 5);
	host_capacity_measure(&conf, c.memory_mib * 2, 0, &c);
	assert_int_equal(c.memory_free_mib, 0);
}

static void a_missing_prober_is_no_kvm(void **state)
{
	struct host_config conf = {.vmm = (char[]){"/nonexistent/vmm"}};
	struct host_capacity c = {0};

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
		cmocka_unit_test(admission_beyond),
		cmocka_unit_test(which_virtual_machines),
		cmocka_unit_test(what_containers_can),
		cmocka_unit_test(promises_count),
		cmocka_unit_test(a_missing_prober_is_no_kvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
