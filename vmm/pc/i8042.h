/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PC's keyboard controller with a keyboard and a wheel mouse behind it (IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller"). What a person does
 * arrives in evdev codes. A guest that does not read loses strokes, but no key stays stuck.
 *
 * All functions may be called from any thread.
 */
#ifndef PANE_VMM_PC_I8042_H
#define PANE_VMM_PC_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define I8042_QUEUE 64 /* bytes waiting in each device */
#define I8042_KEYS  128

struct i8042_queue {
	uint8_t byte[I8042_QUEUE];
	unsigned first, n;
};

struct i8042 {
	pthread_mutex_t lock; /* guards the rest */
	void (*irq)(void *arg, bool mouse, bool level);
	void (*reset)(void *arg); /* the machine, asked for by the guest */
	void *arg;

	uint8_t status, mode, out; /* mode: the command byte; out: the output buffer */
	uint8_t command;	   /* whose data byte comes next, 0 none */
	uint8_t ram[32];
	bool irq_level[2]; /* keyboard, mouse */
	struct i8042_queue reply, keyboard, mouse;

	/* keyboard */
	bool scanning, broken; /* broken: the byte before was 0xf0 and is held back */
	uint8_t kbd_command, set;
	uint8_t want[I8042_KEYS / 8], told[I8042_KEYS / 8]; /* keys down: really, and as told */

	/* mouse */
	bool reporting, remote, wrap, scaled, wheel;
	uint8_t mouse_command, resolution, rate, rates[3], buttons;
	int32_t dx, dy, dz; /* not yet reported */
	bool moved;
};

void i8042_init(struct i8042 *k, void (*irq)(void *arg, bool mouse, bool level),
		void (*reset)(void *arg), void *arg);
void i8042_fini(struct i8042 *k);
/* A vm_io_fn for port 0x60 (arg: the controller), and one for 0x64. */
void i8042_data_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);
void i8042_command_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

/* down again while it is down: the repetition of a held key. */
void i8042_key(struct i8042 *k, uint32_t code, bool down);
/* Pixels, positive is right and down; wheel in notches, positive is up. */
void i8042_move(struct i8042 *k, int32_t dx, int32_t dy, int32_t wheel);
void i8042_button(struct i8042 *k, uint32_t code, bool down);
void i8042_release(struct i8042 *k); /* nothing is held down any more */

#endif
