/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * X key codes are evdev codes + 8 (the server's rules are "evdev"). Wheels are buttons 4 to 7, a
 * press and release for each whole notch.
 */
#include "vmm/cell/xinput.h"

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <xcb/xtest.h>

#define NOTCH	    120
#define NOTCHES_MAX 64 /* of one message */

static void fake(struct xinput *in, uint8_t type, uint8_t detail, int16_t x, int16_t y)
{
	xcb_test_fake_input(in->conn, type, detail, XCB_CURRENT_TIME, in->root, x, y, 0);
}

void xinput_key(struct xinput *in, uint32_t evdev, bool down)
{
	uint32_t code = evdev + 8;

	if (code > 255)
		return; /* X knows no such key */
	if (down)
		in->keys[code / 8] |= (uint8_t)(1u << code % 8);
	else
		in->keys[code / 8] &= (uint8_t) ~(1u << code % 8);
	fake(in, down ? XCB_KEY_PRESS : XCB_KEY_RELEASE, (uint8_t)code, 0, 0);
}

unsigned xinput_button_number(uint32_t evdev)
{
	switch (evdev) {
	case BTN_LEFT:
		return 1;
	case BTN_MIDDLE:
		return 2;
	case BTN_RIGHT:
		return 3;
	case BTN_SIDE:
	case BTN_BACK:
		return 8;
	case BTN_EXTRA:
	case BTN_FORWARD:
		return 9;
	default:
		return 0;
	}
}

static void button(struct xinput *in, unsigned number, bool down)
{
	if (down)
		in->buttons |= (uint16_t)(1u << number);
	else
		in->buttons &= (uint16_t) ~(1u << number);
	fake(in, down ? XCB_BUTTON_PRESS : XCB_BUTTON_RELEASE, (uint8_t)number, 0, 0);
}

void xinput_button(struct xinput *in, uint32_t evdev, bool down)
{
	unsigned number = xinput_button_number(evdev);

	if (number)
		button(in, number, down);
}

int32_t xinput_notches(int32_t *rest, int32_t delta)
{
	int64_t sum = (int64_t)*rest + delta;
	int64_t n = sum / NOTCH;

	*rest = (int32_t)(sum % NOTCH);
	return n > NOTCHES_MAX ? NOTCHES_MAX : n < -NOTCHES_MAX ? -NOTCHES_MAX : (int32_t)n;
}

static void click(struct xinput *in, unsigned number, int32_t times)
{
	for (int32_t i = 0; i < times; i++) {
		button(in, number, true);
		button(in, number, false);
	}
}

void xinput_wheel(struct xinput *in, int32_t vertical, int32_t horizontal)
{
	int32_t v = xinput_notches(&in->vertical, vertical);
	int32_t h = xinput_notches(&in->horizontal, horizontal);

	click(in, v > 0 ? 4 : 5, abs(v));
	click(in, h > 0 ? 7 : 6, abs(h));
}

void xinput_pointer(struct xinput *in, uint32_t x, uint32_t y)
{
	fake(in, XCB_MOTION_NOTIFY, 0, (int16_t)x, (int16_t)y);
}

void xinput_release(struct xinput *in)
{
	for (unsigned code = 8; code < 256; code++)
		if (in->keys[code / 8] & 1u << code % 8)
			xinput_key(in, code - 8, false);
	for (unsigned number = 1; number < 16; number++)
		if (in->buttons & 1u << number)
			button(in, number, false);
	in->vertical = in->horizontal = 0;
}
