/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pci.c: configuration space as a driver sees it, BARs that move, who answers an address.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/layout.h"
#include "vmm/pci.h"

struct device {
	struct pci_dev dev;
	unsigned bar, size;
	uint64_t offset, value;
	unsigned reads, writes, resets;
};

static uint64_t on_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	struct device *t = d->opaque;

	t->reads++;
	t->bar = bar;
	t->offset = offset;
	t->size = size;
	return 0x1122334455667788;
}

static void on_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size, uint64_t v)
{
	struct device *t = d->opaque;

	t->writes++;
	t->bar = bar;
	t->offset = offset;
	t->size = size;
	t->value = v;
}

static void on_reset(struct pci_dev *d)
{
	struct device *t = d->opaque;

	t->resets++;
}

static const struct pci_ops ops = {.bar_read = on_read, .bar_write = on_write, .reset = on_reset};

struct bench {
	struct pci_bus *bus;
	struct device t;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->bus = pci_bus_new(NULL);
	b->t.dev = (struct pci_dev){.name = "test",
				    .vendor = 0x1af4,
				    .device = 0x1042,
				    .class_code = 0x018000,
				    .intx = true,
				    .ops = &ops,
				    .opaque = &b->t};
	assert_int_equal(pci_bar_add(&b->t.dev, 0, PCI_BAR_MEM64, 0x4000), 0);
	assert_int_equal(pci_bar_add(&b->t.dev, 4, PCI_BAR_IO, 32), 0);
	assert_int_equal(pci_add(b->bus, &b->t.dev), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pci_dev_fini(&b->t.dev);
	pci_bus_free(b->bus);
	free(b);
	return 0;
}

static uint64_t bar_base(struct bench *b)
{
	return pci_config_read(b->bus, 0x10, 4) & ~15u;
}

static void header_reads_back(void **state)
{
	struct bench *b = *state;

	assert_int_equal(pci_config_read(b->bus, 0, 4), 0x10421af4);
	assert_int_equal(pci_config_read(b->bus, 8, 4), 0x01800000);
	assert_int_equal(pci_config_read(b->bus, 0x3d, 1), 1);
	assert_int_equal(pci_config_read(b->bus, 0x100, 4), 0); /* no extended capabilities */
	assert_int_equal(pci_config_read(b->bus, 1 << 15, 4), 0xffffffff); /* empty slot */
	assert_int_equal(pci_config_read(b->bus, 1 << 15, 1), 0xff);
	assert_int_equal(pci_config_read(b->bus, 1 << 12, 2), 0xffff);	   /* second function */
	assert_int_equal(pci_config_read(b->bus, 1 << 20, 4), 0xffffffff); /* second bus */
}

static void read_only_bits_stay(void **state)
{
	struct bench *b = *state;

	pci_config_write(b->bus, 0, 4, 0);
	assert_int_equal(pci_config_read(b->bus, 0, 4), 0x10421af4);
	pci_config_write(b->bus, 4, 2, 0xffff);
	assert_int_equal(pci_config_read(b->bus, 4, 2), 0x407);
	pci_config_write(b->bus, 0x3c, 1, 0x5a);
	assert_int_equal(pci_config_read(b->bus, 0x3c, 1), 0x5a);
	pci_config_write(b->bus, 0x3, 2, 0xffff); /* misaligned: dropped */
	assert_int_equal(pci_config_read(b->bus, 0, 4), 0x10421af4);
}

static void sizing_tells_the_size(void **state)
{
	struct bench *b = *state;

	pci_config_write(b->bus, 0x10, 4, 0xffffffff);
	pci_config_write(b->bus, 0x14, 4, 0xffffffff);
	assert_int_equal(pci_config_read(b->bus, 0x10, 4), 0xffffc004);
	assert_int_equal(pci_config_read(b->bus, 0x14, 4), 0xffffffff);
	pci_config_write(b->bus, 0x20, 4, 0xffffffff);
	assert_int_equal(pci_config_read(b->bus, 0x20, 4), 0xffe1);
	pci_config_write(b->bus, 0x24, 4, 0xffffffff); /* not there */
	assert_int_equal(pci_config_read(b->bus, 0x24, 4), 0);
}

static void bars_answer_only_when_enabled(void **state)
{
	struct bench *b = *state;
	uint64_t at = bar_base(b), v = 0;

	assert_true(at >= VM_PCI_MEM && at < VM_PCI_MEM_END && at % 0x4000 == 0);
	assert_false(pci_access(b->bus, false, false, at, 4, &v));
	pci_config_write(b->bus, 4, 2, 2);
	assert_true(pci_access(b->bus, false, false, at + 0x3ffc, 4, &v));
	assert_int_equal(b->t.offset, 0x3ffc);
	assert_false(pci_access(b->bus, false, false, at + 0x4000, 4, &v));
	assert_false(pci_access(b->bus, false, false, at - 1, 1, &v));
	assert_false(pci_access(b->bus, true, false, at, 4, &v)); /* not a port */
}

static void bars_move(void **state)
{
	struct bench *b = *state;
	uint64_t v = 7;

	pci_config_write(b->bus, 4, 2, 3);
	pci_config_write(b->bus, 0x10, 4, 0xd0000000);
	pci_config_write(b->bus, 0x14, 4, 0x8);
	assert_true(pci_access(b->bus, false, true, 0x8d0000010, 8, &v));
	assert_int_equal(b->t.offset, 0x10);
	assert_int_equal(b->t.value, 7);
	pci_config_write(b->bus, 0x20, 4, 0xe000);
	assert_true(pci_access(b->bus, true, true, 0xe004, 2, &v));
	assert_int_equal(b->t.bar, 4);
}

static void crooked_accesses_stay_out(void **state)
{
	struct bench *b = *state;
	uint64_t at = bar_base(b), v = 0;

	pci_config_write(b->bus, 4, 2, 2);
	assert_true(pci_access(b->bus, false, false, at + 1, 4, &v)); /* misaligned */
	assert_true(v == UINT64_MAX);
	assert_true(pci_access(b->bus, false, false, at, 3, &v));
	assert_true(pci_access(b->bus, false, true, at + 0x3ffe, 4, &v)); /* across the end */
	assert_int_equal(b->t.reads + b->t.writes, 0);
}

static void capabilities_are_chained(void **state)
{
	struct pci_dev d = {.name = "caps"};
	const uint8_t cap[] = {9, 0, 5, 0x11, 0x22}, mask[] = {0xff, 0xff, 0, 0xff, 0};

	(void)state;
	assert_int_equal(pci_cap_add(&d, cap, NULL, sizeof(cap)), 0x40);
	assert_int_equal(pci_cap_add(&d, cap, mask, sizeof(cap)), 0x48);
	assert_int_equal(d.cfg[0x34], 0x40);
	assert_int_equal(d.cfg[0x41], 0x48);
	assert_int_equal(d.cfg[0x49], 0);
	assert_int_equal(d.writable[0x48], 0); /* id and link never */
	assert_int_equal(d.writable[0x4b], 0xff);
	assert_int_equal(d.cfg[6] & 0x10, 0x10);
	assert_int_equal(pci_cap_add(&d, cap, NULL, 300), -ENOSPC);
}

static void bad_bars_are_refused(void **state)
{
	struct pci_dev d = {.name = "bars"};

	(void)state;
	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_MEM32, 24), -EINVAL);
	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_MEM32, 8), -EINVAL);
	assert_int_equal(pci_bar_add(&d, 6, PCI_BAR_MEM32, 16), -EINVAL);
	assert_int_equal(pci_bar_add(&d, 5, PCI_BAR_MEM64, 16), -EINVAL);
	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_IO, 4096), -EINVAL);
	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_MEM32, 4096), 0);
	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_MEM32, 4096), -EINVAL);
}

static void the_bus_fills_up(void **state)
{
	struct bench *b = *state;
	static struct pci_dev d[VM_HOTPLUG_SLOT];

	for (unsigned i = 1; i < VM_HOTPLUG_SLOT; i++) {
		assert_int_equal(pci_add(b->bus, &d[i]), 0);
		assert_int_equal(d[i].slot, i);
	}
	assert_int_equal(pci_add(b->bus, &d[0]), -ENOSPC);
	for (unsigned i = 1; i < VM_HOTPLUG_SLOT; i++)
		pci_dev_fini(&d[i]);
}

static void what_is_plugged_in_is_seen_when_shown(void **state)
{
	struct bench *b = *state;
	struct pci_dev d = {.name = "late", .vendor = 0x1234, .device = 0x5678};
	const uint32_t at = VM_HOTPLUG_SLOT << 15;
	uint64_t v;

	assert_int_equal(pci_bar_add(&d, 0, PCI_BAR_MEM32, 4096), 0);
	assert_int_equal(pci_plug(b->bus, &d, VM_HOTPLUG_SLOT), 0);
	assert_int_equal(pci_config_read(b->bus, at, 4), 0xffffffff);
	pci_show(&d);
	assert_int_equal(pci_config_read(b->bus, at, 4), 0x56781234);
	assert_int_equal(pci_plug(b->bus, &d, VM_HOTPLUG_SLOT), -EEXIST);
	assert_int_equal(pci_config_read(b->bus, at + 0x10, 4), 0); /* no address yet */
	pci_config_write(b->bus, at + 4, 2, 2);
	assert_false(pci_access(b->bus, false, false, 0, 4, &v));
	pci_config_write(b->bus, at + 0x10, 4, 0xe0000000);
	assert_true(pci_access(b->bus, false, false, 0xe0000000, 4, &v));
	pci_hide(b->bus, VM_HOTPLUG_SLOT);
	assert_int_equal(pci_config_read(b->bus, at, 4), 0xffffffff);
	assert_false(pci_access(b->bus, false, false, 0xe0000000, 4, &v));
	pci_hide(b->bus, VM_HOTPLUG_SLOT); /* nothing there */
	pci_hide(b->bus, PCI_SLOTS);
	pci_dev_fini(&d);
}

static void taking_down_the_hidden_leaves_its_slots_next_device_alone(void **state)
{
	struct bench *b = *state;
	struct pci_dev old = {.name = "old", .vendor = 1}, next = {.name = "next", .vendor = 2};
	const uint32_t at = VM_HOTPLUG_SLOT << 15;

	assert_int_equal(pci_plug(b->bus, &old, VM_HOTPLUG_SLOT), 0);
	pci_show(&old);
	pci_hide(b->bus, VM_HOTPLUG_SLOT);
	assert_int_equal(pci_plug(b->bus, &next, VM_HOTPLUG_SLOT), 0);
	pci_show(&next);
	pci_dev_fini(&old);
	assert_int_equal(pci_config_read(b->bus, at, 2), 2);
	pci_dev_fini(&next);
}

static void reset_disables_and_tells(void **state)
{
	struct bench *b = *state;
	uint64_t v, at = bar_base(b);

	pci_config_write(b->bus, 4, 2, 7);
	pci_reset(b->bus);
	assert_int_equal(b->t.resets, 1);
	assert_int_equal(pci_config_read(b->bus, 4, 2), 0);
	assert_false(pci_access(b->bus, false, false, at, 4, &v));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(header_reads_back),
		T(read_only_bits_stay),
		T(sizing_tells_the_size),
		T(bars_answer_only_when_enabled),
		T(bars_move),
		T(crooked_accesses_stay_out),
		T(the_bus_fills_up),
		T(what_is_plugged_in_is_seen_when_shown),
		T(taking_down_the_hidden_leaves_its_slots_next_device_alone),
		T(reset_disables_and_tells),
		cmocka_unit_test(capabilities_are_chained),
		cmocka_unit_test(bad_bars_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
