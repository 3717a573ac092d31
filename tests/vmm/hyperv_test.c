/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/hyperv.c: the table a guest sees has Hyper-V's leaves first and KVM's above them, and
 * promises nothing that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/hyperv.h"

static const struct kvm_cpuid_entry2 kvm[] = {
	{.function = 1, .eax = 0x800f12},
	{.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b},
	{.function = 0x40000001, .eax = 0x1007efb},
	{.function = 0x80000000, .eax = 0x8000001f},
};

static const struct kvm_cpuid_entry2 offer[] = {
	{.function = 0x40000000, .eax = 0x4000000a, .ebx = 0x756e694c},
	{.function = 0x40000001, .eax = 0x31237648},
	{.function = 0x40000003, .eax = 0x2e7f, .edx = 0xd02 | 1 << 8},
	{.function = 0x40000004, .eax = 1 << 14 | 1 << 5},
	{.function = 0x40000006, .eax = 9},
	{.function = 0x4000000a, .eax = 1},
	{.function = 0x40000080, .eax = 1},
};

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid_entry2 *t, unsigned n,
					   uint32_t function)
{
	for (unsigned i = 0; i < n; i++)
		if (t[i].function == function)
			return &t[i];
	return NULL;
}

static void windows_finds_hyperv_and_linux_kvm(void **state)
{
	struct kvm_cpuid_entry2 t[16];
	unsigned n = 4;
	const struct kvm_cpuid_entry2 *c;

	(void)state;
	memcpy(t, kvm, sizeof(kvm));
	assert_int_equal(hyperv_leaves(t, &n, 16, offer, 7), 0);
	assert_int_equal(n, 9);
	c = leaf(t, n, 0x40000000);
	assert_int_equal(c->eax, 0x40000006);
	assert_memory_equal(&c->ebx, "Microsoft Hv", 12);
	assert_int_equal(leaf(t, n, 0x40000001)->eax, 0x31237648);
	c = leaf(t, n, 0x40000100);
	assert_int_equal(c->eax, 0x40000101);
	assert_memory_equal(&c->ebx, "KVMK", 4);
	assert_int_equal(leaf(t, n, 0x40000101)->eax, 0x1007efb);
	assert_int_equal(leaf(t, n, 1)->eax, 0x800f12);
	assert_int_equal(leaf(t, n, 0x80000000)->eax, 0x8000001f);
}

static void nothing_is_promised_that_is_not_there(void **state)
{
	struct kvm_cpuid_entry2 t[16];
	unsigned n = 4;

	(void)state;
	memcpy(t, kvm, sizeof(kvm));
	assert_int_equal(hyperv_leaves(t, &n, 16, offer, 7), 0);
	assert_null(leaf(t, n, 0x4000000a)); /* nested machines */
	assert_null(leaf(t, n, 0x40000080)); /* a debugger */
	assert_int_equal(leaf(t, n, 0x40000003)->eax, 0x2e7f);
	assert_int_equal(leaf(t, n, 0x40000003)->edx, 1 << 8);
	assert_int_equal(leaf(t, n, 0x40000004)->eax, 1 << 5);
	assert_int_equal(leaf(t, n, 0x40000004)->ebx, 0xffffffff);
	n = 4;
	assert_int_equal(hyperv_leaves(t, &n, 6, offer, 7), -ENOSPC);
	assert_int_equal(n, 6);
}

static void hypercalls_nobody_serves_fail(void **state)
{
	struct kvm_run run = {.hyperv = {.type = KVM_EXIT_HYPERV_HCALL}};

	(void)state;
	hyperv_exit(&run);
	assert_int_equal(run.hyperv.u.hcall.result, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_finds_hyperv_and_linux_kvm),
		cmocka_unit_test(nothing_is_promised_that_is_not_there),
		cmocka_unit_test(hypercalls_nobody_serves_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
