/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any mix of guest accesses to the hot-plug registers and of the host's orders: only what was
 * filled is ejected, and once; news are of filled slots only. Three bytes an action: what, slot or
 * offset and size, value.
 */
#include <assert.h>
#include <stdint.h>

#include "vmm/hotplug.h"
#include "vmm/io.h"
#include "vmm/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct bench {
	struct hotplug h;
	struct vm_io io;
	uint8_t filled; /* as the host knows it */
};

static void on_event(void *arg)
{
	(void)arg;
}

static void on_ejected(void *arg, uint8_t slots)
{
	struct bench *b = arg;

	assert(slots && (slots & ~b->filled) == 0);
	b->filled &= (uint8_t)~slots;
}

static void one(struct bench *b, const uint8_t *p)
{
	uint16_t port = (uint16_t)(VM_HOTPLUG_PORT + (p[1] & 3));
	uint64_t v = p[2] * 0x01010101ull;

	switch (p[0] & 7) {
	case 0:
		hotplug_fill(&b->h, p[1] & 7);
		b->filled |= (uint8_t)(1u << (p[1] & 7));
		break;
	case 1:
		hotplug_ask(&b->h, p[1] & 7);
		break;
	case 2:
		if (hotplug_take(&b->h, p[1] & 7))
			on_ejected(b, (uint8_t)(1u << (p[1] & 7)));
		break;
	case 3:
		vm_io_access(&b->io, true, false, port, 1u << (p[1] >> 2 & 3), &v);
		break;
	default:
		vm_io_access(&b->io, true, true, port, 1u << (p[1] >> 2 & 3), &v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bench b = {0};
	uint64_t v;

	hotplug_init(&b.h, on_event, &b);
	hotplug_listen(&b.h, on_ejected, &b);
	assert(hotplug_add(&b.h, &b.io) == 0);
	for (; n >= 3; p += 3, n -= 3) {
		one(&b, p);
		vm_io_access(&b.io, true, false, VM_HOTPLUG_PORT, 4, &v);
		assert((uint8_t)(v >> 24) == b.filled && (v >> 16 & 0xff) == 0);
		assert((v & ~(uint64_t)b.filled & 0xff) == 0 && (v >> 8 & ~b.filled & 0xff) == 0);
	}
	hotplug_fini(&b.h);
	return 0;
}
