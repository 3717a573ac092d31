/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/io.c: ranges do not overlap, accesses reach whom they should, the rest reads all-ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/io.h"

struct seen {
	unsigned calls, size;
	uint64_t offset;
	bool write;
};

static void note(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct seen *s = arg;

	s->calls++;
	s->write = write;
	s->offset = offset;
	s->size = size;
	if (!write)
		*value = 0x5a;
}

static void accesses_reach_their_range(void **state)
{
	struct vm_io io = {0};
	struct seen a = {0}, b = {0};
	uint64_t v = 0;

	(void)state;
	assert_int_equal(vm_io_add(&io, true, 0x3f8, 8, note, &a), 0);
	assert_int_equal(vm_io_add(&io, false, 0x3f8, 8, note, &b), 0); /* another space */
	vm_io_access(&io, true, false, 0x3fd, 1, &v);
	assert_int_equal(v, 0x5a);
	assert_int_equal(a.offset, 5);
	vm_io_access(&io, false, true, 0x3f8, 8, &v);
	assert_true(b.write);
	assert_int_equal(b.size, 8);
	assert_int_equal(a.calls, 1);
}

static void unclaimed_reads_are_ones(void **state)
{
	struct vm_io io = {0};
	struct seen a = {0};
	uint64_t v = 0;

	(void)state;
	assert_int_equal(vm_io_add(&io, true, 0x70, 2, note, &a), 0);
	vm_io_access(&io, true, false, 0x72, 1, &v);
	assert_true(v == UINT64_MAX);
	v = 0;
	vm_io_access(&io, true, false, 0x71, 2, &v); /* straddles the end */
	assert_true(v == UINT64_MAX);
	vm_io_access(&io, false, true, UINT64_MAX, 8, &v);
	assert_int_equal(a.calls, 0);
}

static void overlaps_are_refused(void **state)
{
	struct vm_io io = {0};

	(void)state;
	assert_int_equal(vm_io_add(&io, true, 0x70, 2, note, NULL), 0);
	assert_int_equal(vm_io_add(&io, true, 0x71, 2, note, NULL), -EEXIST);
	assert_int_equal(vm_io_add(&io, true, 0x72, 2, note, NULL), 0);
	for (unsigned i = 2; i < VM_IO_RANGES; i++)
		assert_int_equal(vm_io_add(&io, false, i * 16, 16, note, NULL), 0);
	assert_int_equal(vm_io_add(&io, true, 0x1000, 2, note, NULL), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses_reach_their_range),
		cmocka_unit_test(unclaimed_reads_are_ones),
		cmocka_unit_test(overlaps_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
