/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/cpuid.c: a topology of one package of single-threaded cores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/cpuid.h"

static struct kvm_cpuid_entry2 one(unsigned function, unsigned index, unsigned eax, unsigned id,
				   unsigned n)
{
	struct kvm_cpuid_entry2 c = {.function = function,
				     .index = index,
				     .eax = eax,
				     .ebx = 0xffffffff,
				     .ecx = 0xffffffff,
				     .edx = 0xffffffff};

	vm_cpuid_topology(&c, 1, id, n, 1);
	return c;
}

static void leaf_1(void **state)
{
	struct kvm_cpuid_entry2 c = one(1, 0, 0, 3, 4);

	(void)state;
	assert_int_equal(c.ebx, 3u << 24 | 4u << 16 | 0xffff);
	assert_int_equal(c.ecx >> 31, 1);
	assert_int_equal(c.edx >> 28 & 1, 1);
	assert_int_equal(one(1, 0, 0, 0, 1).edx >> 28 & 1, 0);
}

static void extended_topology(void **state)
{
	struct kvm_cpuid_entry2 thread = one(0xb, 0, 9, 5, 6), core = one(0xb, 1, 9, 5, 6),
				end = one(0xb, 2, 9, 5, 6);

	(void)state;
	assert_int_equal(thread.eax, 0);
	assert_int_equal(thread.ebx, 1);
	assert_int_equal(thread.ecx, 0x100);
	assert_int_equal(core.eax, 3); /* six cores take three bits */
	assert_int_equal(core.ebx, 6);
	assert_int_equal(core.ecx, 0x201);
	assert_int_equal(core.edx, 5);
	assert_int_equal(end.ebx, 0);
	assert_int_equal(end.ecx, 2);
}

static void caches(void **state)
{
	(void)state;
	assert_int_equal(one(4, 0, 0xffffc121, 0, 4).eax, 0x0c000121);		 /* level 1 */
	assert_int_equal(one(4, 3, 0xffffc163, 0, 4).eax, 0x0c000163 | 3 << 14); /* level 3 */
	assert_int_equal(one(4, 4, 0, 0, 4).eax, 0);
}

static void amd(void **state)
{
	(void)state;
	assert_int_equal(one(0x80000008, 0, 0, 0, 5).ecx, 3 << 12 | 4);
	assert_int_equal(one(0x8000001e, 0, 0, 2, 5).eax, 2);
	assert_int_equal(one(0x8000001e, 0, 0, 2, 5).ebx, 2);
}

static void no_nesting(void **state)
{
	(void)state;
	assert_int_equal(one(1, 0, 0, 0, 2).ecx >> 5 & 1, 0);	       /* VMX */
	assert_int_equal(one(0x80000001, 0, 0, 0, 2).ecx >> 2 & 1, 0); /* SVM */
	assert_int_equal(one(0x8000000a, 0, 1, 0, 2).eax, 0);
	assert_int_equal(one(0x8000000a, 0, 1, 0, 2).edx, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf_1),     cmocka_unit_test(extended_topology),
		cmocka_unit_test(caches),     cmocka_unit_test(amd),
		cmocka_unit_test(no_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
