/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Input on its way from the window to the session thread. The window never waits for the network:
 * pointer moves that follow each other are merged, and when a stalled session lets the queue fill
 * up the oldest half is given up together with every key held (lost says so, the session then
 * releases all keys). Thread-safe.
 */
#ifndef PANE_CLIENTS_THIN_INPUTQ_H
#define PANE_CLIENTS_THIN_INPUTQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define THIN_INPUTQ_MAX 512

enum thin_input_type {
	THIN_INPUT_KEY,	    /* code = RDP scancode (keymap.h), down, repeat */
	THIN_INPUT_MOVE,    /* x, y in desktop pixels */
	THIN_INPUT_BUTTON,  /* x, y, code = 1 left, 2 middle, 3 right, 8 back, 9 forward, down */
	THIN_INPUT_WHEEL,   /* x, y, code = 0 vertical, 1 horizontal; delta in units of 120/notch */
	THIN_INPUT_RELEASE, /* every key and button held goes up */
	THIN_INPUT_LOCKS,   /* code = KBD_SYNC_* flags */
	THIN_INPUT_RESIZE,  /* x, y = wanted desktop size, code = scale in percent */
};

struct thin_input {
	enum thin_input_type type;
	uint32_t code;
	bool down, repeat;
	int x, y, delta;
};

struct thin_inputq {
	pthread_mutex_t lock; /* all below */
	struct thin_input item[THIN_INPUTQ_MAX];
	unsigned head, len;
	bool lost;
};

void thin_inputq_init(struct thin_inputq *q);
void thin_inputq_fini(struct thin_inputq *q);
void thin_inputq_push(struct thin_inputq *q, const struct thin_input *in);
/* True with the next item. After a loss the first item is a THIN_INPUT_RELEASE. */
bool thin_inputq_pop(struct thin_inputq *q, struct thin_input *out);

#endif
