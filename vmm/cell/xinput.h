/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys, buttons, wheel and pointer of displays, injected by XTEST. What is held down is known, so
 * that it can be let go when the display is gone. Requests wait for the caller's xcb_flush().
 */
#ifndef PANE_CELL_XINPUT_H
#define PANE_CELL_XINPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <xcb/xcb.h>

struct xinput {
	xcb_connection_t *conn; /* borrowed */
	xcb_window_t root;
	uint8_t keys[32];	      /* bit set of X key codes held down */
	uint16_t buttons;	      /* bit set of X buttons held down */
	int32_t vertical, horizontal; /* 1/120 notches not yet clicked */
};

void xinput_key(struct xinput *in, uint32_t evdev, bool down);
void xinput_button(struct xinput *in, uint32_t evdev, bool down);
void xinput_wheel(struct xinput *in, int32_t vertical, int32_t horizontal);
void xinput_pointer(struct xinput *in, uint32_t x, uint32_t y);
void xinput_release(struct xinput *in);

/* X's number of an evdev button code; 0: none. */
unsigned xinput_button_number(uint32_t evdev);
/* Adds delta to *rest and takes whole notches off it: how many, with sign. */
int32_t xinput_notches(int32_t *rest, int32_t delta);

#endif
