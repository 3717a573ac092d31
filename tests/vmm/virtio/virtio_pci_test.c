/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PCI transport, driven as a guest drives it: capabilities, negotiation, queues, notification,
 * MSI-X and the legacy interrupt, reset, and register accesses that make no sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/pci.h"
#include "vmm/virtio/virtio_rng.h"

enum {
	COMMON = 0,
	ISR = 0x1000,
	NOTIFY = 0x3000
};

struct ctx {
	struct guest g;
	struct pci_bus *bus;
	struct virtio_rng *rng;
	uint64_t bar;	  /* of the registers */
	unsigned caps[6]; /* offset of the capability by type */
	unsigned msix;
	uint64_t msi_addr; /* of the last message */
	uint32_t msi_data;
	int msis, intx, evfds;
};

static int on_msi(void *arg, uint64_t address, uint32_t data)
{
	struct ctx *x = arg;

	x->msi_addr = address;
	x->msi_data = data;
	x->msis++;
	return 0;
}

static void on_intx(void *arg, unsigned slot, bool level)
{
	(void)slot;
	((struct ctx *)arg)->intx = level;
}

static int on_eventfd(void *arg, bool add, bool port, uint64_t addr, unsigned len, int fd)
{
	struct ctx *x = arg;

	(void)addr;
	(void)fd;
	assert_false(port);
	assert_int_equal(len, 2);
	x->evfds += add ? 1 : -1;
	return 0;
}

static void put(struct ctx *x, uint64_t off, unsigned size, uint64_t v)
{
	assert_true(pci_access(x->bus, false, true, x->bar + off, size, &v));
}

static uint64_t get(struct ctx *x, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	assert_true(pci_access(x->bus, false, false, x->bar + off, size, &v));
	return v;
}

static void find_caps(struct ctx *x)
{
	unsigned at = pci_config_read(x->bus, 0x34, 1);

	for (int i = 0; at && i < 10; i++) {
		unsigned id = pci_config_read(x->bus, at, 1);

		if (id == 9)
			x->caps[pci_config_read(x->bus, at + 3, 1)] = at;
		if (id == 0x11)
			x->msix = at;
		at = pci_config_read(x->bus, at + 1, 1);
	}
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct pci_host host = {.arg = x, .msi = on_msi, .intx = on_intx, .eventfd = on_eventfd};
	struct virtio_rng_config c = {0};
	struct virtio_env env;

	guest_init(&x->g);
	x->bus = pci_bus_new(&host);
	env = guest_env(&x->g);
	env.pci = x->bus;
	x->rng = virtio_rng_new(&env, &c, NULL);
	assert_non_null(x->rng);
	x->g.dev = virtio_rng_dev(x->rng);
	pci_config_write(x->bus, 4, 2, 6);
	x->bar = pci_config_read(x->bus, 0x20, 4) & ~15u;
	x->bar |= (uint64_t)pci_config_read(x->bus, 0x24, 4) << 32;
	find_caps(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_rng_free(x->rng);
	assert_int_equal(x->evfds, 0);
	assert_int_equal(x->intx, 0);
	pci_bus_free(x->bus);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void negotiate(struct ctx *x)
{
	struct guest_queue *q = &x->g.q[0];

	put(x, 0x14, 1, 0);
	put(x, 0x14, 1, 3);
	put(x, 0x08, 4, 1);
	put(x, 0x0c, 4, 1);
	put(x, 0x14, 1, 11);
	assert_int_equal(get(x, 0x14, 1), 11);
	guest_queue_init(&x->g, 0, 16);
	put(x, 0x16, 2, 0);
	put(x, 0x18, 2, 16);
	put(x, 0x20, 4, q->desc);
	put(x, 0x24, 4, 0);
	put(x, 0x28, 8, q->avail);
	put(x, 0x30, 8, q->used);
	put(x, 0x1c, 2, 1);
	assert_int_equal(get(x, 0x1c, 2), 1);
	put(x, 0x14, 1, 15);
}

static bool used(void *arg)
{
	return guest_used(&((struct ctx *)arg)->g, 0, NULL, NULL);
}

static void request(struct ctx *x)
{
	struct guest_buf b = {4096, 16, true};

	guest_add(&x->g, 0, &b, 1);
	put(x, NOTIFY, 2, 0); /* no eventfd in the way here: reaches the register */
	assert_true(guest_wait(&x->g, used, x, 2000));
}

static void identity_and_capabilities(void **state)
{
	struct ctx *x = *state;

	assert_int_equal(pci_config_read(x->bus, 0, 4), 0x10441af4);
	assert_int_equal(pci_config_read(x->bus, 8, 1), 1);
	for (unsigned type = 1; type <= 5; type++) {
		if (type == 4)
			continue; /* this device has no configuration of its own */
		assert_true(x->caps[type] > 0);
		if (type != 5)
			assert_int_equal(pci_config_read(x->bus, x->caps[type] + 4, 1), 4);
	}
	assert_int_equal(x->caps[4], 0);
	assert_true(x->msix > 0);
	assert_int_equal(x->evfds, 1);
	assert_int_equal(get(x, 0x12, 2), 1);
}

static void msix_interrupts(void **state)
{
	struct ctx *x = *state;
	uint64_t table = pci_config_read(x->bus, 0x14, 4) & ~15u, v;

	pci_config_write(x->bus, x->msix + 2, 2, 0x8000);
	for (unsigned i = 0; i < 2; i++) {
		v = 0xfee00000 + i * 0x1000;
		pci_access(x->bus, false, true, table + 16 * i, 4, &v);
		v = 0;
		pci_access(x->bus, false, true, table + 16 * i + 4, 4, &v);
		v = 0x40 + i;
		pci_access(x->bus, false, true, table + 16 * i + 8, 4, &v);
		v = 0;
		pci_access(x->bus, false, true, table + 16 * i + 12, 4, &v);
	}
	negotiate(x);
	put(x, 0x10, 2, 0);
	put(x, 0x1a, 2, 1);
	assert_int_equal(get(x, 0x1a, 2), 1);
	put(x, 0x10, 2, 2); /* there are two vectors */
	assert_int_equal(get(x, 0x10, 2), 0xffff);
	put(x, 0x10, 2, 0);
	request(x);
	assert_int_equal(x->msis, 1);
	assert_int_equal(x->msi_addr, 0xfee01000);
	assert_int_equal(x->msi_data, 0x41);
	/* A broken ring: status and configuration interrupt. */
	guest_publish(&x->g, 0, 999);
	virtio_notify(x->g.dev, 0);
	assert_int_equal(x->msi_data, 0x40);
	assert_int_equal(get(x, 0x14, 1), 15 | 64);
	put(x, 0x14, 1, 0);
	assert_int_equal(get(x, 0x14, 1), 0);
	assert_int_equal(get(x, 0x1c, 2), 0);
	assert_int_equal(get(x, 0x1a, 2), 0xffff);
}

static void legacy_interrupt(void **state)
{
	struct ctx *x = *state;

	negotiate(x);
	request(x);
	assert_int_equal(x->intx, 1);
	assert_int_equal(get(x, ISR, 1), 1);
	assert_int_equal(x->intx, 0);
	assert_int_equal(get(x, ISR, 1), 0);
	assert_int_equal(x->msis, 0);
}

static void a_device_that_leaves_lowers_its_interrupt(void **state)
{
	struct ctx *x = *state;

	negotiate(x);
	request(x);
	assert_int_equal(x->intx, 1); /* and teardown sees it low */
}

static void features_are_checked(void **state)
{
	struct ctx *x = *state;

	put(x, 0x14, 1, 3);
	put(x, 0x08, 4, 1);
	put(x, 0x0c, 4, 3); /* bit 33 was not offered */
	put(x, 0x14, 1, 11);
	assert_int_equal(get(x, 0x14, 1), 3);
	put(x, 0x0c, 4, 0); /* not virtio 1 */
	put(x, 0x14, 1, 11);
	assert_int_equal(get(x, 0x14, 1), 3);
	put(x, 0x0c, 4, 1);
	put(x, 0x14, 1, 11);
	assert_int_equal(get(x, 0x14, 1), 11);
	put(x, 0x0c, 4, 0); /* too late */
	put(x, 0x08, 4, 1);
	assert_int_equal(get(x, 0x0c, 4), 1);
	put(x, 0x00, 4, 1);
	assert_int_equal(get(x, 0x04, 4), 5); /* VERSION_1, RING_PACKED */
	put(x, 0x00, 4, 77);
	assert_int_equal(get(x, 0x04, 4), 0);
}

static void senseless_accesses(void **state)
{
	struct ctx *x = *state;

	put(x, 0x16, 2, 9); /* no such queue */
	assert_int_equal(get(x, 0x18, 2), 0);
	put(x, 0x18, 2, 5);
	put(x, 0x1c, 2, 1);
	put(x, 0x20, 8, UINT64_MAX);
	put(x, 0x38, 8, UINT64_MAX);
	assert_int_equal(get(x, 0x38, 8), 0);
	put(x, 0xff8, 8, 1);
	put(x, 0x2000, 4, 1); /* no device configuration */
	assert_int_equal(get(x, 0x2000, 4), 0);
	put(x, NOTIFY + 4, 2, 0); /* no such queue */
	put(x, NOTIFY + 0xffc, 4, 0);
	put(x, 0x16, 2, 0);
	put(x, 0x1c, 2, 1); /* before FEATURES_OK */
	assert_int_equal(get(x, 0x1c, 2), 0);
	negotiate(x);
	put(x, 0x20, 8, 0); /* running queues keep their rings */
	assert_int_equal(get(x, 0x20, 8), x->g.q[0].desc);
	request(x);
}

static void bad_ring_address_needs_a_reset(void **state)
{
	struct ctx *x = *state;

	put(x, 0x14, 1, 3);
	put(x, 0x08, 4, 1);
	put(x, 0x0c, 4, 1);
	put(x, 0x14, 1, 11);
	put(x, 0x20, 8, GUEST_RAM);
	put(x, 0x1c, 2, 1);
	assert_int_equal(get(x, 0x1c, 2), 0);
	assert_true(get(x, 0x14, 1) & 64);
	put(x, 0x14, 1, 0);
	negotiate(x);
	request(x);
}

static void window_in_configuration_space(void **state)
{
	struct ctx *x = *state;
	unsigned cap = x->caps[5];

	pci_config_write(x->bus, cap + 4, 1, 4);
	pci_config_write(x->bus, cap + 8, 4, 0x14);
	pci_config_write(x->bus, cap + 12, 4, 1);
	pci_config_write(x->bus, cap + 16, 4, 3);
	assert_int_equal(get(x, 0x14, 1), 3);
	assert_int_equal(pci_config_read(x->bus, cap + 16, 4) & 0xff, 3);
	pci_config_write(x->bus, cap + 8, 4, 0x3fff); /* reaches over the end */
	pci_config_write(x->bus, cap + 12, 4, 4);
	pci_config_write(x->bus, cap + 16, 4, 1);
	pci_config_write(x->bus, cap + 12, 4, 0xffffffff);
	pci_config_write(x->bus, cap + 8, 4, 0xffffffff);
	(void)pci_config_read(x->bus, cap + 16, 4);
}

static void bus_reset_resets_the_device(void **state)
{
	struct ctx *x = *state;

	negotiate(x);
	pci_reset(x->bus);
	assert_int_equal(virtio_status_get(x->g.dev), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(identity_and_capabilities),
		T(msix_interrupts),
		T(legacy_interrupt),
		T(a_device_that_leaves_lowers_its_interrupt),
		T(features_are_checked),
		T(senseless_accesses),
		T(bad_ring_address_needs_a_reset),
		T(window_in_configuration_space),
		T(bus_reset_resets_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
