/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The registers by which devices come and go while the guest runs: slots VM_HOTPLUG_SLOT and up, a
 * bit each. ACPI tells them (ACPI 6.4 §6.3: event VM_GPE_HOTPLUG, Notify, _EJ0; boot/acpi.c writes
 * the methods), not the native hot-plug of PCI Express: that one needs a root port, a bus and a
 * bridge window for each slot, and every Linux (acpiphp is built in) and Windows since 2008 does
 * this one on the bus our devices are on already.
 *
 *   +0  new: a device came. Ones clear
 *   +1  asked: the host wants the device back. Ones clear
 *   +2  eject: ones take the device out; reads 0
 *   +3  filled, read-only
 *
 * The guest's side runs on vCPU threads, the host's on any; nothing here waits.
 */
#ifndef PANE_VMM_HOTPLUG_H
#define PANE_VMM_HOTPLUG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct vm_io;

struct hotplug {
	pthread_mutex_t lock; /* guards the registers */
	uint8_t fresh, asked, filled;
	void (*event)(void *arg); /* there is news: VM_GPE_HOTPLUG */
	void *arg;
	/* The guest ejected these slots, which are empty to it from now on. On a vCPU thread. */
	void (*ejected)(void *arg, uint8_t slots);
	void *ejected_arg;
};

void hotplug_init(struct hotplug *h, void (*event)(void *arg), void *arg);
void hotplug_fini(struct hotplug *h);
int hotplug_add(struct hotplug *h, struct vm_io *io) must_check;
/* Before the first vCPU runs. Without a listener nothing is ever in a slot. */
void hotplug_listen(struct hotplug *h, void (*ejected)(void *arg, uint8_t slots), void *arg);

/* n: 0 .. VM_HOTPLUG_SLOTS - 1. A device is in the slot; the host wants it back. */
void hotplug_fill(struct hotplug *h, unsigned n);
void hotplug_ask(struct hotplug *h, unsigned n);
/* The host takes it itself, as if the guest had ejected it: false when the guest was faster. */
bool hotplug_take(struct hotplug *h, unsigned n) must_check;
/* Whether the guest has looked since the slot was filled. */
bool hotplug_seen(struct hotplug *h, unsigned n);

#endif
