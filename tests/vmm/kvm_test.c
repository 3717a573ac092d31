/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/kvm.c: the probe agrees with itself; without a usable /dev/kvm it says why. Skips what needs
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmm/kvm.h"
#include "vmm/mem.h"

static void probe_says_why(void **state)
{
	char why[300] = "";
	enum vm_kvm_kind kind = vm_kvm_probe(why, sizeof(why));

	(void)state;
	assert_true(strlen(why) > 10);
	assert_true((access("/dev/kvm", R_OK | W_OK) == 0) == (kind != VM_KVM_NONE));
	print_message("kvm: %s: %s\n", vm_kvm_kind_name(kind), why);
}

static void selftest_leaves_memory_clean(void **state)
{
	struct vm_kvm k;
	struct kvm_run *run;
	uint8_t page[4096];
	int fd;

	(void)state;
	if (vm_kvm_open(&k, NULL) < 0)
		skip();

	struct vm_mem *ram = vm_mem_new(1 << 20, NULL);

	assert_int_equal(vm_kvm_create(&k, ram, NULL), 0);
	assert_int_equal(vm_kvm_vcpu(&k, 0, &fd, &run, NULL), 0);
	assert_int_equal(vm_kvm_selftest(&k, fd, run, ram, NULL), 0);
	assert_int_not_equal(k.kind, VM_KVM_NONE);
	assert_int_equal(vm_mem_read(ram, 0x1000, page, sizeof(page)), 0);
	for (size_t i = 0; i < sizeof(page); i++)
		assert_int_equal(page[i], 0);
	munmap(run, k.run_size);
	close(fd);
	vm_kvm_close(&k);
	vm_mem_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_says_why),
		cmocka_unit_test(selftest_leaves_memory_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
