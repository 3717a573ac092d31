/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pci_msix.c: vectors sent, masked, pending; eventfds that follow their BAR; shared pins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/pci.h"

struct bench {
	struct pci_bus *bus;
	struct pci_dev dev;
	unsigned sent, armed, disarmed, raised, lowered;
	uint64_t address, eventfd_at;
	uint32_t data;
};

static int on_msi(void *arg, uint64_t address, uint32_t data)
{
	struct bench *b = arg;

	b->sent++;
	b->address = address;
	b->data = data;
	return 0;
}

static void on_intx(void *arg, unsigned slot, bool level)
{
	struct bench *b = arg;

	(void)slot;
	if (level)
		b->raised++;
	else
		b->lowered++;
}

static int on_eventfd(void *arg, bool add, bool port, uint64_t addr, unsigned len, int fd)
{
	struct bench *b = arg;

	assert_false(port);
	assert_int_equal(len, 2);
	assert_int_equal(fd, 9);
	if (add) {
		b->armed++;
		b->eventfd_at = addr;
	} else {
		b->disarmed++;
		assert_int_equal(addr, b->eventfd_at);
	}
	return 0;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct pci_host host = {
		.arg = b, .msi = on_msi, .intx = on_intx, .eventfd = on_eventfd};

	b->bus = pci_bus_new(&host);
	b->dev = (struct pci_dev){.name = "msix", .intx = true};
	assert_int_equal(pci_bar_add(&b->dev, 0, PCI_BAR_MEM32, 4096), 0);
	assert_int_equal(pci_msix_add(&b->dev, 1, 3), 0);
	assert_int_equal(pci_add(b->bus, &b->dev), 0);
	assert_int_equal(pci_bar_eventfd(&b->dev, 0, 0x100, 2, 9), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pci_dev_fini(&b->dev);
	pci_bus_free(b->bus);
	free(b);
	return 0;
}

static void table(struct bench *b, unsigned at, uint32_t v)
{
	uint64_t value = v, base = pci_config_read(b->bus, 0x14, 4);

	assert_true(pci_access(b->bus, false, true, base + at, 4, &value));
}

static uint64_t table_read(struct bench *b, unsigned at, unsigned size)
{
	uint64_t value = 0, base = pci_config_read(b->bus, 0x14, 4);

	assert_true(pci_access(b->bus, false, false, base + at, size, &value));
	return value;
}

static void control(struct bench *b, uint16_t v)
{
	pci_config_write(b->bus, 0x42, 2, v);
}

static void start(struct bench *b)
{
	pci_config_write(b->bus, 4, 2, 6);
	table(b, 16, 0xfee01000);
	table(b, 20, 0);
	table(b, 24, 0x41);
	table(b, 28, 0); /* unmask */
	control(b, 0x8000);
}

static void a_vector_is_sent(void **state)
{
	struct bench *b = *state;

	start(b);
	assert_int_equal(pci_msix_signal(&b->dev, 1), 0);
	assert_int_equal(b->sent, 1);
	assert_int_equal(b->address, 0xfee01000);
	assert_int_equal(b->data, 0x41);
	assert_int_equal(pci_msix_signal(&b->dev, 3), -EINVAL);
	assert_int_equal(pci_config_read(b->bus, 0x42, 2), 0x8002);
}

static void disabled_says_so(void **state)
{
	struct bench *b = *state;

	assert_false(pci_msix_enabled(&b->dev));
	assert_int_equal(pci_msix_signal(&b->dev, 1), -ENXIO);
	start(b);
	assert_true(pci_msix_enabled(&b->dev));
}

static void masked_becomes_pending_and_is_sent_once(void **state)
{
	struct bench *b = *state;

	start(b);
	table(b, 28, 1);
	assert_int_equal(pci_msix_signal(&b->dev, 1), 0);
	assert_int_equal(pci_msix_signal(&b->dev, 1), 0);
	assert_int_equal(b->sent, 0);
	assert_int_equal(table_read(b, 2048, 8), 2);
	table(b, 28, 0);
	assert_int_equal(b->sent, 1);
	assert_int_equal(table_read(b, 2048, 8), 0);

	control(b, 0xc000); /* the whole function */
	assert_int_equal(pci_msix_signal(&b->dev, 1), 0);
	assert_int_equal(b->sent, 1);
	control(b, 0x8000);
	assert_int_equal(b->sent, 2);
}

static void vectors_start_masked(void **state)
{
	struct bench *b = *state;

	start(b);
	assert_int_equal(table_read(b, 12, 4), 1);
	assert_int_equal(pci_msix_signal(&b->dev, 0), 0);
	assert_int_equal(b->sent, 0);
}

static void beyond_the_table_is_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	table(b, 48, 0xffffffff);
	assert_int_equal(table_read(b, 48, 4), 0);
	table(b, 2048, 0xffffffff); /* pending bits are read-only */
	assert_int_equal(table_read(b, 2048, 4), 0);
}

static void eventfds_follow_their_bar(void **state)
{
	struct bench *b = *state;
	uint64_t at = pci_config_read(b->bus, 0x10, 4);

	assert_int_equal(b->armed, 0); /* memory decoding is still off */
	pci_config_write(b->bus, 4, 2, 2);
	assert_int_equal(b->armed, 1);
	assert_int_equal(b->eventfd_at, at + 0x100);
	pci_config_write(b->bus, 0x10, 4, 0xd0000000);
	assert_int_equal(b->armed, 2);
	assert_int_equal(b->disarmed, 1);
	assert_int_equal(b->eventfd_at, 0xd0000100);
	pci_config_write(b->bus, 4, 2, 0);
	assert_int_equal(b->disarmed, 2);
	assert_int_equal(pci_bar_eventfd(&b->dev, 0, 4095, 2, 9), -EINVAL);
	assert_int_equal(pci_bar_eventfd(&b->dev, 3, 0, 2, 9), -EINVAL);
}

static void intx_is_level(void **state)
{
	struct bench *b = *state;

	pci_intx(&b->dev, true);
	pci_intx(&b->dev, true);
	assert_int_equal(b->raised, 1);
	assert_int_equal(pci_config_read(b->bus, 6, 2) & 8, 8);
	pci_intx(&b->dev, false);
	assert_int_equal(b->lowered, 1);
	assert_int_equal(pci_config_read(b->bus, 6, 2) & 8, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_vector_is_sent),
		T(disabled_says_so),
		T(vectors_start_masked),
		T(masked_becomes_pending_and_is_sent_once),
		T(eventfds_follow_their_bar),
		T(beyond_the_table_is_nothing),
		T(intx_is_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
