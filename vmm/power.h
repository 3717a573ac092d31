/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ACPI fixed hardware (ACPI 6.4 §4.8): PM1 event and control, PM timer, GPE0, and everything that
 * ends the machine from inside: S5, reset at 0xCF9, by the keyboard controller, by port 0x92.
 */
#ifndef PANE_VMM_POWER_H
#define PANE_VMM_POWER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct snap;
struct snap_out;
struct vm_io;

struct power {
	pthread_mutex_t lock; /* guards the registers */
	uint16_t status, enable, control;
	uint8_t gpe[16]; /* status, then enable */
	bool sci_level;
	int64_t timer_offset_ns; /* of the PM timer against the host's clock; constant while it runs
				  */
	void (*sci)(void *arg, bool level);    /* level-triggered */
	void (*end)(void *arg, bool poweroff); /* or a reset */
	void *arg;
};

void power_init(struct power *p, void (*sci)(void *, bool), void (*end)(void *, bool), void *arg);
void power_fini(struct power *p);
int power_add(struct power *p, struct vm_io *io) must_check;
/* The reset register 0xCF9 as a vm_io_fn of one port: the host bridge has it within its own. */
void power_reset_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);
/* Raises a general purpose event: the guest runs \_GPE._Exx where it enabled that. Any thread. */
void power_event(struct power *p, unsigned event);
/* Snapshots (vmm/snapshot/section.h), section "power". */
void power_save(struct power *p, struct snap_out *out);
int power_load(struct power *p, const struct snap *s, struct err *e) must_check;
/* Presses the power button. Any thread. */
void power_button(struct power *p);

#endif
