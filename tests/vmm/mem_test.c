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
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

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

/* Residency of [0, n) pages of m by mincore(2). */
static unsigned resident(const struct vm_mem *m, unsigned n)
{
	unsigned char there[512];
	unsigned sum = 0;

	assert_int_equal(mincore(m->base, n * 4096ul, there), 0);
	for (unsigned i = 0; i < n; i++)
		sum += there[i] & 1;
	return sum;
}

static struct vm_mem *of_kind(unsigned kind)
{
	const struct vm_mem_policy merge = {.merge = true};
	uint8_t page[4096];
	struct vm_mem *m;
	FILE *f;

	if (kind < 2)
		return kind ? vm_mem_new_policy(256 * 4096, &merge, NULL) : make(256 * 4096);
	f = tmpfile();
	assert_non_null(f);
	memset(page, 0x77, sizeof(page));
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(fwrite(page, sizeof(page), 1, f), 1);
	fflush(f);
	m = vm_mem_map(fileno(f), 256 * 4096, NULL);
	fclose(f);
	return m;
}

/* memfd, anonymous, memory file */
static void released_pages_are_zeros_and_free(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct vm_mem *m = of_kind(kind);
		uint64_t given = 0;

		assert_non_null(m);
		memset(m->base, 0x55, 256 * 4096);
		assert_int_equal(resident(m, 256), 256);
		/* whole pages only: of [1, 11) the nine inside */
		given += vm_mem_release(m, 4097, 10 * 4096);
		assert_int_equal(given, 9 * 4096);
		assert_int_equal(m->base[2 * 4096 - 1], 0x55);
		assert_int_equal(m->base[11 * 4096], 0x55);
		assert_int_equal(vm_mem_release(m, 100 * 4096, 156 * 4096), 156 * 4096);
		assert_int_equal(resident(m, 256), 256 - 9 - 156);
		for (unsigned i = 2 * 4096; i < 11 * 4096; i++)
			assert_int_equal(m->base[i], 0);
		for (unsigned i = 100 * 4096; i < 256 * 4096; i++)
			assert_int_equal(m->base[i], 0);
		/* and again, with what was written since */
		memset(m->base, 0x66, 256 * 4096);
		assert_int_equal(vm_mem_release(m, 0, 256 * 4096), 256 * 4096);
		assert_int_equal(resident(m, 256), 0);
		assert_int_equal(m->base[99 * 4096], 0);
		assert_int_equal(m->base[100 * 4096], 0);
		vm_mem_free(m);
	}
}

static void what_is_no_ram_is_not_released(void **state)
{
	uint64_t size = VM_MEM_LOW_MAX + (1 << 20);
	struct vm_mem *m = make(size);

	(void)state;
	assert_int_equal(vm_mem_release(m, VM_MEM_LOW_MAX, 1 << 20), 0);
	assert_int_equal(vm_mem_release(m, UINT64_MAX - 4096, 8192), 0);
	assert_int_equal(vm_mem_release(m, VM_MEM_HIGH + (1 << 20), 4096), 0);
	assert_int_equal(vm_mem_release(m, 4096, 0), 0);
	assert_int_equal(vm_mem_release(m, 0, UINT64_MAX), size);
	vm_mem_free(m);
}

/* Page by page, again and again: the mappings over a memory file stay bounded. */
static void pieces_over_a_file_are_not_counted_twice(void **state)
{
	struct vm_mem *m = of_kind(2);

	(void)state;
	for (unsigned round = 0; round < 300; round++)
		for (unsigned i = 0; i < 256; i += 2) {
			m->base[i * 4096] = 1;
			assert_int_equal(vm_mem_release(m, i * 4096, 4096), 4096);
			assert_int_equal(m->base[i * 4096], 0);
		}
	assert_int_equal(m->pieces, 128);
	assert_int_equal(m->base[4096], 0x77);
	vm_mem_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_come_back),
		cmocka_unit_test(the_end_of_ram_is_exact),
		cmocka_unit_test(the_pci_hole_is_not_ram),
		cmocka_unit_test(odd_sizes_are_refused),
		cmocka_unit_test(released_pages_are_zeros_and_free),
		cmocka_unit_test(what_is_no_ram_is_not_released),
		cmocka_unit_test(pieces_over_a_file_are_not_counted_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
