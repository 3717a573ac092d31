/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See input.h. [MS-RDPBCGR] 2.2.8.1.1.3.
 */
#include "display/rdp/input.h"

#include <linux/input-event-codes.h>
#include "display/keys.h"

#define WHEEL_MASK 0x01ff /* nine bits, two's complement */

static struct peer_context *context_of(rdpInput *input)
{
	return (struct peer_context *)input->context;
}

/* Pause comes as E1 1D 45 down, E1 1D 45 up; the 45 must not become Num Lock. */
static bool pause_key(struct peer_context *c, UINT16 flags, UINT8 code)
{
	if (flags & KBD_FLAGS_EXTENDED1) {
		if (code == 0x1d) {
			c->pause = true;
			disp_viewer_key(c->viewer, KEY_PAUSE, !(flags & KBD_FLAGS_RELEASE));
		}
		return true;
	}
	if (c->pause && code == 0x45 && !(flags & KBD_FLAGS_EXTENDED)) {
		c->pause = false;
		return true;
	}
	return false;
}

static BOOL on_key(rdpInput *input, UINT16 flags, UINT8 code)
{
	struct peer_context *c = context_of(input);

	if (!pause_key(c, flags, code))
		disp_viewer_key(c->viewer,
				disp_key_scancode(code & 0x7f, (flags & KBD_FLAGS_EXTENDED) != 0),
				!(flags & KBD_FLAGS_RELEASE));
	return TRUE;
}

uint32_t disp_rdp_unicode(uint16_t *surrogate, uint16_t unit)
{
	uint16_t first = *surrogate;

	*surrogate = unit >> 10 == 0x36 ? unit : 0; /* 0xd800 to 0xdbff */
	if (*surrogate)
		return 0;
	if (unit >> 10 != 0x37)
		return unit;
	return first ? 0x10000 + ((first & 0x3ffu) << 10 | (unit & 0x3ffu)) : 0;
}

/* The keys that some clients send as characters. */
static uint32_t control_keysym(uint32_t code)
{
	switch (code) {
	case '\b':
		return 0xff08;
	case '\t':
		return 0xff09;
	case '\r':
	case '\n':
		return 0xff0d;
	case 0x1b:
		return 0xff1b;
	case 0x7f:
		return 0xffff;
	default:
		return 0;
	}
}

/* A character: by its key where the desktop's keyboard is known to have one, else by its name
 * where the desktop takes that, else dropped. */
static BOOL on_unicode(rdpInput *input, UINT16 flags, UINT16 unit)
{
	struct peer_context *c = context_of(input);
	uint32_t code, keysym, key;
	enum disp_shift shift;

	if (flags & KBD_FLAGS_RELEASE)
		return TRUE; /* it was typed when it was pressed */
	code = disp_rdp_unicode(&c->surrogate, unit);
	keysym = control_keysym(code);
	if (!keysym && code >= ' ')
		keysym = code < 0x100 ? code : 0x01000000 + code;
	key = keysym ? disp_key_keysym(keysym, &shift) : 0;
	if (key && (shift == DISP_SHIFT_ANY || !disp_source_foreign(c->viewer->source))) {
		disp_viewer_press(c->viewer, key, shift);
		disp_viewer_key(c->viewer, key, false);
	} else if (keysym)
		(void)disp_viewer_keysym(c->viewer, keysym);
	return TRUE;
}

/* Sent when the client's window gets the focus: whatever was held is no longer known. */
static BOOL on_sync(rdpInput *input, UINT32 flags)
{
	(void)flags;
	disp_viewer_release(context_of(input)->viewer);
	return TRUE;
}

static int32_t wheel_amount(UINT16 flags)
{
	int32_t n = flags & WHEEL_MASK;

	return n & 0x100 ? n - 0x200 : n;
}

static BOOL on_mouse(rdpInput *input, UINT16 flags, UINT16 x, UINT16 y)
{
	struct disp_viewer *v = context_of(input)->viewer;
	bool down = (flags & PTR_FLAGS_DOWN) != 0;

	if (flags & PTR_FLAGS_WHEEL) {
		disp_viewer_wheel(v, wheel_amount(flags), 0);
		return TRUE;
	}
	if (flags & PTR_FLAGS_HWHEEL) {
		disp_viewer_wheel(v, 0, wheel_amount(flags));
		return TRUE;
	}
	disp_viewer_pointer(v, x, y);
	if (flags & PTR_FLAGS_BUTTON1)
		disp_viewer_button(v, BTN_LEFT, down);
	if (flags & PTR_FLAGS_BUTTON2)
		disp_viewer_button(v, BTN_RIGHT, down);
	if (flags & PTR_FLAGS_BUTTON3)
		disp_viewer_button(v, BTN_MIDDLE, down);
	return TRUE;
}

static BOOL on_extended_mouse(rdpInput *input, UINT16 flags, UINT16 x, UINT16 y)
{
	struct disp_viewer *v = context_of(input)->viewer;
	bool down = (flags & PTR_XFLAGS_DOWN) != 0;

	disp_viewer_pointer(v, x, y);
	if (flags & PTR_XFLAGS_BUTTON1)
		disp_viewer_button(v, BTN_SIDE, down);
	if (flags & PTR_XFLAGS_BUTTON2)
		disp_viewer_button(v, BTN_EXTRA, down);
	return TRUE;
}

void disp_rdp_input_setup(rdpInput *input)
{
	input->SynchronizeEvent = on_sync;
	input->KeyboardEvent = on_key;
	input->UnicodeKeyboardEvent = on_unicode;
	input->MouseEvent = on_mouse;
	input->ExtendedMouseEvent = on_extended_mouse;
}
