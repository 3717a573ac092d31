/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Everything random comes from one seed. Buffers that a device may write lie in 64 MiB that nobody
 * else uses, so that the card outlives its own storm.
 */
#include "tests/guest/storm.h"

#include "tests/guest/hw.h"
#include "tests/guest/virtio.h"
#include "vmm/layout.h"

enum {
	FIRST = 32 << 20,
	SPAN = 64 << 20,
	ROUNDS = 12, /* of each device */
	QUEUES = 8,  /* of the device that has the most */
	DESCS = 16,
	C_STATUS = 20,
	C_Q_SELECT = 22,
	C_Q_SIZE = 24,
	C_Q_ENABLE = 28,
	C_Q_DESC = 32,
	C_Q_DRIVER = 40,
	C_Q_DEVICE = 48,
	DRIVER_OK = 15
};

static uint32_t state = 12345;

static uint32_t any(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static uint32_t in_span(uint32_t align)
{
	return (FIRST + any() % (SPAN - 65536)) & ~(align - 1);
}

/* Mostly RAM; a device's own registers, the hole, beyond the end, the end of the address space. */
static uint64_t address(const struct virtio *v)
{
	switch (any() % 12) {
	case 0:
		return v->common;
	case 1:
		return 0xc0000000u;
	case 2:
		return (128ull << 20) - any() % 64;
	case 3:
		return ~0ull - any() % 4096;
	default:
		return in_span(1);
	}
}

static uint32_t length(void)
{
	return any() % 8 == 0 ? any() : any() % 3 == 0 ? 16 : any() % 5000;
}

/* A ring's descriptors, of either layout: chains, loops, tables that are themselves. */
static void fill(const struct virtio *v, uint32_t at)
{
	volatile uint32_t *d = (volatile uint32_t *)(uint64_t)at;

	for (unsigned i = 0; i < DESCS; i++, d += 4) {
		uint64_t to = any() % 6 == 0 ? at : address(v);

		d[0] = (uint32_t)to;
		d[1] = (uint32_t)(to >> 32);
		d[2] = any() % 6 == 0 ? DESCS * 16 : length();
		d[3] = any() % 4 == 0
			       ? any()
			       : any() % 8 | (any() % DESCS) << 16 | (any() % 2 ? 1u << 23 : 0);
	}
}

/* Some queues get rings at addresses that are none. */
static void one_queue(struct virtio *v, unsigned n)
{
	uint32_t ring = in_span(4096), driver = in_span(64), device = in_span(64);
	volatile uint16_t *avail = (volatile uint16_t *)(uint64_t)driver;

	fill(v, ring);
	avail[0] = 0;
	avail[1] = any() % 4 ? (uint16_t)(any() % 17) : (uint16_t)any();
	for (unsigned i = 0; i < DESCS; i++)
		avail[2 + i] = any() % 16 ? (uint16_t)(any() % DESCS) : (uint16_t)any();
	mmio_write16(v->common + C_Q_SELECT, (uint16_t)n);
	mmio_write16(v->common + C_Q_SIZE, any() % 8 ? DESCS : (uint16_t)any());
	mmio_write32(v->common + C_Q_DESC, any() % 10 ? ring : (uint32_t)address(v));
	mmio_write32(v->common + C_Q_DESC + 4, any() % 20 ? 0 : any());
	mmio_write32(v->common + C_Q_DRIVER, any() % 10 ? driver : any() % 2 ? ring : any());
	mmio_write32(v->common + C_Q_DRIVER + 4, 0);
	mmio_write32(v->common + C_Q_DEVICE, any() % 10 ? device : any() % 2 ? ring : any());
	mmio_write32(v->common + C_Q_DEVICE + 4, 0);
	mmio_write16(v->common + C_Q_ENABLE, 1);
}

static bool one_round(unsigned type, unsigned nth)
{
	struct virtio v;

	virtio_packed = any() & 1;
	if (!virtio_open(&v, type, nth, (uint64_t)(any() % 4) << 28))
		return false;
	for (unsigned q = 0; q < QUEUES; q++)
		one_queue(&v, q);
	mmio_write8(v.common + C_STATUS, DRIVER_OK);
	for (unsigned q = 0; q < 2 * QUEUES; q++)
		mmio_write16(v.notify + any() % (QUEUES + 2) * v.notify_multiplier, (uint16_t)q);
	if (v.device)
		mmio_write32(v.device + any() % 16 * 4, any());
	if (any() % 2) /* the next one resets it while it works; this one at once */
		mmio_write8(v.common + C_STATUS, 0);
	return true;
}

/* Hot-plug registers, of any width, with devices in the slots and without. */
static void eject_anything(void)
{
	for (unsigned i = 0; i < 300; i++) {
		uint16_t port = (uint16_t)(VM_HOTPLUG_PORT + any() % 5);

		switch (any() % 4) {
		case 0:
			outl(port, any());
			break;
		case 1:
			outw(port, (uint16_t)any());
			break;
		case 2:
			outb(port, (uint8_t)any());
			break;
		default:
			(void)inl(port);
		}
	}
}

void storm(void)
{
	static const struct {
		uint8_t type, nth;
	} devices[] = {{2, 0},	{1, 0},	 {3, 0},  {4, 0}, {5, 0}, {16, 0},
		       {18, 0}, {18, 1}, {19, 0}, {2, 1}, {1, 1}}; /* the last two where they are
								      plugged in */
	unsigned met = 0;

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		unsigned n = 0;

		while (n < ROUNDS && one_round(devices[i].type, devices[i].nth))
			n++;
		met += n > 0;
	}
	virtio_packed = false;
	eject_anything();
	print("stormed %u\n", met);
}
