/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hot-plug registers; see hotplug.h. Only a filled slot has bits in the other registers, so a guest
 * that ejects what is not there, or twice, changes nothing.
 */
#include "vmm/hotplug.h"

#include <string.h>
#include "vmm/io.h"
#include "vmm/layout.h"

enum {
	FRESH,
	ASKED,
	EJECT,
	FILLED,
	BYTES
};

_Static_assert(VM_HOTPLUG_SLOTS == 8, "a register is a byte");

static uint8_t drop(struct hotplug *h, uint8_t slots)
{
	slots &= h->filled;
	h->filled &= (uint8_t)~slots;
	h->fresh &= h->filled;
	h->asked &= h->filled;
	return slots;
}

static void write_locked(struct hotplug *h, unsigned at, uint8_t v, uint8_t *out)
{
	if (at == FRESH)
		h->fresh &= (uint8_t)~v;
	else if (at == ASKED)
		h->asked &= (uint8_t)~v;
	else if (at == EJECT)
		*out |= drop(h, v);
}

static void access_regs(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct hotplug *h = arg;
	uint8_t out = 0;

	pthread_mutex_lock(&h->lock);

	const uint8_t now[BYTES] = {[FRESH] = h->fresh, [ASKED] = h->asked, [FILLED] = h->filled};

	if (!write)
		*value = 0;
	for (unsigned i = 0; i < size && offset + i < BYTES; i++) {
		if (write)
			write_locked(h, (unsigned)offset + i, (uint8_t)(*value >> 8 * i), &out);
		else
			*value |= (uint64_t)now[offset + i] << 8 * i;
	}
	pthread_mutex_unlock(&h->lock);
	if (out && h->ejected)
		h->ejected(h->ejected_arg, out);
}

void hotplug_init(struct hotplug *h, void (*event)(void *arg), void *arg)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	h->event = event;
	h->arg = arg;
}

void hotplug_fini(struct hotplug *h)
{
	pthread_mutex_destroy(&h->lock);
}

int hotplug_add(struct hotplug *h, struct vm_io *io)
{
	return vm_io_add(io, true, VM_HOTPLUG_PORT, BYTES, access_regs, h);
}

void hotplug_listen(struct hotplug *h, void (*ejected)(void *arg, uint8_t slots), void *arg)
{
	h->ejected = ejected;
	h->ejected_arg = arg;
}

void hotplug_fill(struct hotplug *h, unsigned n)
{
	pthread_mutex_lock(&h->lock);
	h->filled |= (uint8_t)(1u << n);
	h->fresh |= (uint8_t)(1u << n);
	pthread_mutex_unlock(&h->lock);
	h->event(h->arg);
}

void hotplug_ask(struct hotplug *h, unsigned n)
{
	pthread_mutex_lock(&h->lock);
	h->asked |= (uint8_t)(1u << n) & h->filled;
	pthread_mutex_unlock(&h->lock);
	h->event(h->arg);
}

bool hotplug_take(struct hotplug *h, unsigned n)
{
	bool was;

	pthread_mutex_lock(&h->lock);
	was = drop(h, (uint8_t)(1u << n)) != 0;
	pthread_mutex_unlock(&h->lock);
	return was;
}

bool hotplug_seen(struct hotplug *h, unsigned n)
{
	bool seen;

	pthread_mutex_lock(&h->lock);
	seen = !(h->fresh & 1u << n);
	pthread_mutex_unlock(&h->lock);
	return seen;
}
