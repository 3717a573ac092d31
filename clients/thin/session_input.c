/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Input items to RDP input events ([MS-RDPBCGR] 2.2.8.1.2.2), keeping account of what is held
 * down so that it can be let go. Session thread.
 */
#include "clients/thin/keymap.h"
#include "clients/thin/session_priv.h"

#include <freerdp/input.h>

#define BUTTON_MAX 16

static void send_key(struct thin_session *s, rdpInput *in, uint32_t code, bool down, bool repeat)
{
	uint32_t rdp = (code & 0xff) | (code & THIN_SCAN_EXTENDED ? KBDEXT : 0);

	if (!code || code >= THIN_SCANCODES)
		return;
	if (code & THIN_SCAN_PAUSE) {
		if (down)
			freerdp_input_send_keyboard_pause_event(in);
		return;
	}
	if (down)
		s->held[code / 8] |= (uint8_t)(1u << code % 8);
	else
		s->held[code / 8] &= (uint8_t) ~(1u << code % 8);
	freerdp_input_send_keyboard_event_ex(in, down, repeat, rdp);
}

static void send_button(struct thin_session *s, rdpInput *in, uint32_t code, bool down)
{
	static const uint16_t flags[] = {
		[1] = PTR_FLAGS_BUTTON1, [2] = PTR_FLAGS_BUTTON3, [3] = PTR_FLAGS_BUTTON2};
	uint16_t x = (uint16_t)s->x, y = (uint16_t)s->y;

	if (!code || code >= BUTTON_MAX)
		return;
	s->buttons = down ? s->buttons | 1u << code : s->buttons & ~(1u << code);
	if (code < ARRAY_LEN(flags))
		freerdp_input_send_mouse_event(
			in, (uint16_t)(flags[code] | (down ? PTR_FLAGS_DOWN : 0)), x, y);
	else if (code == 8 || code == 9)
		freerdp_input_send_extended_mouse_event(
			in,
			(uint16_t)((code == 8 ? PTR_XFLAGS_BUTTON1 : PTR_XFLAGS_BUTTON2) |
				   (down ? PTR_XFLAGS_DOWN : 0)),
			x, y);
}

/* [MS-RDPBCGR] 2.2.8.1.2.2.3: nine bits of two's complement; a step is at most 255. */
static void send_wheel(struct thin_session *s, rdpInput *in, bool horizontal, int delta)
{
	uint16_t kind = horizontal ? PTR_FLAGS_HWHEEL : PTR_FLAGS_WHEEL;

	while (delta) {
		int step = delta > 240 ? 240 : delta < -240 ? -240 : delta;

		freerdp_input_send_mouse_event(in, (uint16_t)(kind | (step & 0x1ff)),
					       (uint16_t)s->x, (uint16_t)s->y);
		delta -= step;
	}
}

static void release_all(struct thin_session *s, rdpInput *in)
{
	for (uint32_t code = 1; code < THIN_SCANCODES; code++)
		if (s->held[code / 8] & 1u << code % 8)
			send_key(s, in, code, false, false);
	for (uint32_t b = 1; b < BUTTON_MAX; b++)
		if (s->buttons & 1u << b)
			send_button(s, in, b, false);
}

void thin_rdp_send(struct thin_session *s, rdpContext *c, const struct thin_input *in)
{
	switch (in->type) {
	case THIN_INPUT_KEY:
		send_key(s, c->input, in->code, in->down, in->repeat);
		break;
	case THIN_INPUT_MOVE:
		s->x = in->x;
		s->y = in->y;
		freerdp_input_send_mouse_event(c->input, PTR_FLAGS_MOVE, (UINT16)in->x,
					       (UINT16)in->y);
		break;
	case THIN_INPUT_BUTTON:
		s->x = in->x;
		s->y = in->y;
		send_button(s, c->input, in->code, in->down);
		break;
	case THIN_INPUT_WHEEL:
		send_wheel(s, c->input, in->code, in->delta);
		break;
	case THIN_INPUT_RELEASE:
		release_all(s, c->input);
		break;
	case THIN_INPUT_LOCKS:
		freerdp_input_send_synchronize_event(c->input, in->code);
		break;
	case THIN_INPUT_RESIZE:
		s->want_w = in->x;
		s->want_h = in->y;
		s->want_scale = (int)in->code;
		break;
	}
}
