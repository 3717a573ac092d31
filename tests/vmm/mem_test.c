/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/mem.c: what is RAM and what is not, at every edge of both regions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/mem.h"

static struct vm_mem *make(uint64_t size)
{
	struct vm_mem *m = vm_mem_new(size, NULL);

	assert_non_null(m);
	return m;
}

static void copies_come_back(void **state)
{
	struct vm_mem *m = make(1 << 20);
	uint8_t in[1000], out[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n < 20; n++) {
		assert_int_equal(vm_mem_write(m, 4093 + n, in, n), 0);
		memset(out, 0xee, sizeof(out));
		assert_int_equal(vm_mem_read(m, 4093 + n, out, n), 0);
		assert_memory_equal(in, out, n);
		assert_int_equal(out[n], 0xee);
	}
	assert_int_equal(vm_mem_write(m, 5, in, sizeof(in)), 0);
	assert_int_equal(vm_mem_read(m, 5, out, sizeof(out)), 0);
	assert_memory_equal(in, out, sizeof(in));
	vm_mem_free(m);
}

static void the_end_of_ram_is_exact(void **state)
{
	struct vm_mem *m = make(1 << 20);
	uint64_t v = 0;

	(void)state;
	assert_int_equal(vm_mem_read(m, (1 << 20) - 8, &v, 8), 0);
	assert_int_equal(vm_mem_read(m, (1 << 20) - 7, &v, 8), -EFAULT);
	assert_int_equal(vm_mem_write(m, 1 << 20, &v, 1), -EFAULT);
	assert_int_equal(vm_mem_write(m, UINT64_MAX, &v, 1), -EFAULT);
	assert_int_equal(vm_mem_read(m, UINT64_MAX - 3, &v, 8), -EFAULT);
	assert_null(vm_mem_ptr(m, 0, (1 << 20) + 1));
	assert_null(vm_mem_ptr(m, 4096, SIZE_MAX));
	assert_null(vm_mem_ptr(m, 0, 0));
	assert_non_null(vm_mem_ptr(m, 0, 1 << 20));
	vm_mem_free(m);
}

static void the_pci_hole_is_not_ram(void **state)
{
	struct vm_mem *m = make(VM_MEM_LOW_MAX + (1 << 20));
	uint32_t v = 0x12345678, w = 0;

	(void)state;
	assert_int_equal(m->region[0].size, VM_MEM_LOW_MAX);
	assert_int_equal(m->region[1].size, 1 << 20);
	assert_int_equal(vm_mem_write(m, VM_MEM_LOW_MAX - 4, &v, 4), 0);
	assert_int_equal(vm_mem_write(m, VM_MEM_LOW_MAX - 2, &v, 4), -EFAULT);
	assert_int_equal(vm_mem_write(m, VM_MEM_LOW_MAX, &v, 4), -EFAULT);
	assert_int_equal(vm_mem_write(m, VM_MEM_HIGH - 2, &v, 4), -EFAULT);
	assert_int_equal(vm_mem_read(m, VM_MEM_HIGH, &w, 4), 0);
	assert_int_equal(w, 0); /* not what was written at the end of low RAM */
	assert_int_equal(vm_mem_write(m, VM_MEM_HIGH + (1 << 20) - 4, &v, 4), 0);
	assert_int_equal(vm_mem_write(m, VM_MEM_HIGH + (1 << 20) - 3, &v, 4), -EFAULT);
	vm_mem_free(m);
}

static void odd_sizes_are_refused(void **state)
{
	struct err e = {0};

	(void)state;
	assert_null(vm_mem_new(0, &e));
	assert_null(vm_mem_new(4097, &e));
	assert_null(vm_mem_new(1ull << 60, &e));
	assert_int_equal(e.code, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_come_back),
		cmocka_unit_test(the_end_of_ram_is_exact),
		cmocka_unit_test(the_pci_hole_is_not_ram),
		cmocka_unit_test(odd_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
