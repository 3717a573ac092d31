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

/* A character without a key: typed on the guest's US keyboard when it has it, else dropped. */
static BOOL on_unicode(rdpInput *input, UINT16 flags, UINT16 code)
{
	struct disp_viewer *v = context_of(input)->viewer;
	enum disp_shift shift;
	uint32_t keysym = code == '\r' || code == '\n' ? 0xff0d : code == '\t' ? 0xff09 : code;
	uint32_t key = disp_key_keysym(keysym == '\b' ? 0xff08 : keysym, &shift);
	bool held = disp_viewer_held(v, KEY_LEFTSHIFT) || disp_viewer_held(v, KEY_RIGHTSHIFT);

	if (!key || keysym > 0xffff || (keysym > 0x7e && keysym < 0xff00) ||
	    (flags & KBD_FLAGS_RELEASE))
		return TRUE;
	if (shift == DISP_SHIFT_DOWN && !held)
		disp_viewer_key(v, KEY_LEFTSHIFT, true);
	disp_viewer_key(v, key, true);
	disp_viewer_key(v, key, false);
	if (shift == DISP_SHIFT_DOWN && !held)
		disp_viewer_key(v, KEY_LEFTSHIFT, false);
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
