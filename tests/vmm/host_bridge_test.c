/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/host_bridge.c and vmm/pvpanic.c: both doors to configuration space, and a panic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/host_bridge.h"
#include "vmm/layout.h"
#include "vmm/pvpanic.h"

struct bench {
	struct vm_io io;
	struct pci_bus *bus;
	struct host_bridge h;
	struct pvpanic p;
	unsigned resets, panics;
};

static void on_reset(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct bench *b = arg;

	(void)offset;
	(void)size;
	b->resets += write;
	*value = 0;
}

static void on_panic(void *arg)
{
	struct bench *b = arg;

	b->panics++;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->bus = pci_bus_new(NULL);
	b->io.pci = b->bus;
	assert_int_equal(host_bridge_add(&b->h, b->bus, &b->io, on_reset, b), 0);
	assert_int_equal(pvpanic_add(&b->p, b->bus, on_panic, b), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pci_dev_fini(&b->p.dev);
	pci_dev_fini(&b->h.dev);
	pci_bus_free(b->bus);
	free(b);
	return 0;
}

static uint64_t access_(struct bench *b, bool port, bool write, uint64_t at, unsigned size,
			uint64_t v)
{
	vm_io_access(&b->io, port, write, at, size, &v);
	return size == 8 ? v : v & ((1ull << 8 * size) - 1);
}

static void both_doors_show_the_same(void **state)
{
	struct bench *b = *state;

	access_(b, true, true, 0xcf8, 4, 0x80000000 | 1 << 11);
	assert_int_equal(access_(b, true, false, 0xcf8, 4, 0), 0x80000800);
	assert_int_equal(access_(b, true, false, 0xcfc, 4, 0), 0x00111b36);
	assert_int_equal(access_(b, true, false, 0xcfe, 2, 0), 0x0011);
	assert_int_equal(access_(b, true, false, 0xcfd, 1, 0), 0x1b);
	assert_int_equal(access_(b, false, false, VM_ECAM + 0x8000, 4, 0), 0x00111b36);
	assert_int_equal(access_(b, false, false, VM_ECAM + 0x8100, 4, 0), 0);
	assert_int_equal(access_(b, false, false, VM_ECAM + 0x100000, 4, 0), 0xffffffff);
}

static void without_enable_there_is_nothing(void **state)
{
	struct bench *b = *state;

	access_(b, true, true, 0xcf8, 4, 1 << 11);
	assert_int_equal(access_(b, true, false, 0xcfc, 4, 0), 0xffffffff);
	access_(b, true, true, 0xcf8, 2, 0xffff); /* only whole words set the address */
	assert_int_equal(access_(b, true, false, 0xcf8, 4, 0), 1 << 11);
}

static void the_reset_register_shines_through(void **state)
{
	struct bench *b = *state;

	access_(b, true, true, 0xcf8, 4, 0x06000000);
	assert_int_equal(b->resets, 0);
	access_(b, true, true, 0xcf9, 1, 6);
	assert_int_equal(b->resets, 1);
}

static void a_panic_is_told(void **state)
{
	struct bench *b = *state;
	uint64_t bar = access_(b, false, false, VM_ECAM + 0x8010, 4, 0);

	access_(b, false, true, VM_ECAM + 0x8004, 2, 2);
	assert_int_equal(access_(b, false, false, bar, 1, 0), 3);
	access_(b, false, true, bar, 1, 2); /* a crash kernel is no panic */
	access_(b, false, true, bar + 1, 1, 1);
	assert_int_equal(b->panics, 0);
	access_(b, false, true, bar, 1, 1);
	assert_int_equal(b->panics, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_doors_show_the_same),
		T(without_enable_there_is_nothing),
		T(the_reset_register_shines_through),
		T(a_panic_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
