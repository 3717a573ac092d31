/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See keys.h. Keysyms are what the viewer's user means to type, so those that depend on the guest's
 * lock keys are mapped around them: keypad digits to digits, keypad arrows to arrows, and the lock
 * keys themselves to nothing (the viewer's own lock is already in the keysym). Codes below 0x54 are
 * the same in set 1 and evdev, which is where evdev's come from.
 */
#include "display/keys.h"

#include <linux/input-event-codes.h>
#include <stddef.h>
#include <string.h>
#include "common/cleanup.h"

static const uint8_t high_codes[0x80] = {
	[0x54] = KEY_SYSRQ,
	[0x56] = KEY_102ND,
	[0x57] = KEY_F11,
	[0x58] = KEY_F12,
	[0x59] = KEY_KPEQUAL,
	[0x64] = KEY_F13,
	[0x65] = KEY_F14,
	[0x66] = KEY_F15,
	[0x67] = KEY_F16,
	[0x68] = KEY_F17,
	[0x69] = KEY_F18,
	[0x6a] = KEY_F19,
	[0x6b] = KEY_F20,
	[0x6c] = KEY_F21,
	[0x6d] = KEY_F22,
	[0x6e] = KEY_F23,
	[0x70] = KEY_KATAKANAHIRAGANA,
	[0x71] = KEY_HANJA,
	[0x72] = KEY_HANGEUL,
	[0x73] = KEY_RO,
	[0x76] = KEY_F24,
	[0x79] = KEY_HENKAN,
	[0x7b] = KEY_MUHENKAN,
	[0x7d] = KEY_YEN,
	[0x7e] = KEY_KPCOMMA,
};

static const uint8_t extended_codes[0x80] = {
	[0x10] = KEY_PREVIOUSSONG, [0x19] = KEY_NEXTSONG, [0x1c] = KEY_KPENTER,
	[0x1d] = KEY_RIGHTCTRL,	   [0x20] = KEY_MUTE,	  [0x21] = KEY_CALC,
	[0x22] = KEY_PLAYPAUSE,	   [0x24] = KEY_STOPCD,	  [0x2e] = KEY_VOLUMEDOWN,
	[0x30] = KEY_VOLUMEUP,	   [0x32] = KEY_HOMEPAGE, [0x35] = KEY_KPSLASH,
	[0x37] = KEY_SYSRQ,	   [0x38] = KEY_RIGHTALT, [0x46] = KEY_PAUSE,
	[0x47] = KEY_HOME,	   [0x48] = KEY_UP,	  [0x49] = KEY_PAGEUP,
	[0x4b] = KEY_LEFT,	   [0x4d] = KEY_RIGHT,	  [0x4f] = KEY_END,
	[0x50] = KEY_DOWN,	   [0x51] = KEY_PAGEDOWN, [0x52] = KEY_INSERT,
	[0x53] = KEY_DELETE,	   [0x5b] = KEY_LEFTMETA, [0x5c] = KEY_RIGHTMETA,
	[0x5d] = KEY_COMPOSE,	   [0x5e] = KEY_POWER,	  [0x5f] = KEY_SLEEP,
	[0x63] = KEY_WAKEUP,	   [0x65] = KEY_SEARCH,	  [0x66] = KEY_BOOKMARKS,
	[0x67] = KEY_REFRESH,	   [0x68] = KEY_STOP,	  [0x69] = KEY_FORWARD,
	[0x6a] = KEY_BACK,	   [0x6b] = KEY_COMPUTER, [0x6c] = KEY_MAIL,
	[0x6d] = KEY_MEDIA,
};

uint32_t disp_key_scancode(uint32_t code, bool extended)
{
	if (code >= 0x80)
		return 0;
	if (extended)
		return extended_codes[code];
	return code < 0x54 ? code : high_codes[code];
}

/* The US layout by evdev code: what the key makes, and what it makes with shift. */
static const struct {
	uint8_t code;
	char plain, shifted;
} us[] = {
	{KEY_1, '1', '!'},	    {KEY_2, '2', '@'},		 {KEY_3, '3', '#'},
	{KEY_4, '4', '$'},	    {KEY_5, '5', '%'},		 {KEY_6, '6', '^'},
	{KEY_7, '7', '&'},	    {KEY_8, '8', '*'},		 {KEY_9, '9', '('},
	{KEY_0, '0', ')'},	    {KEY_MINUS, '-', '_'},	 {KEY_EQUAL, '=', '+'},
	{KEY_Q, 'q', 'Q'},	    {KEY_W, 'w', 'W'},		 {KEY_E, 'e', 'E'},
	{KEY_R, 'r', 'R'},	    {KEY_T, 't', 'T'},		 {KEY_Y, 'y', 'Y'},
	{KEY_U, 'u', 'U'},	    {KEY_I, 'i', 'I'},		 {KEY_O, 'o', 'O'},
	{KEY_P, 'p', 'P'},	    {KEY_LEFTBRACE, '[', '{'},	 {KEY_RIGHTBRACE, ']', '}'},
	{KEY_A, 'a', 'A'},	    {KEY_S, 's', 'S'},		 {KEY_D, 'd', 'D'},
	{KEY_F, 'f', 'F'},	    {KEY_G, 'g', 'G'},		 {KEY_H, 'h', 'H'},
	{KEY_J, 'j', 'J'},	    {KEY_K, 'k', 'K'},		 {KEY_L, 'l', 'L'},
	{KEY_SEMICOLON, ';', ':'},  {KEY_APOSTROPHE, '\'', '"'}, {KEY_GRAVE, '`', '~'},
	{KEY_BACKSLASH, '\\', '|'}, {KEY_Z, 'z', 'Z'},		 {KEY_X, 'x', 'X'},
	{KEY_C, 'c', 'C'},	    {KEY_V, 'v', 'V'},		 {KEY_B, 'b', 'B'},
	{KEY_N, 'n', 'N'},	    {KEY_M, 'm', 'M'},		 {KEY_COMMA, ',', '<'},
	{KEY_DOT, '.', '>'},	    {KEY_SLASH, '/', '?'},
};

#define KEYPAD_0     0xffb0
#define KEYPAD_POINT 0xffae

/* Keysyms that name keys rather than characters (X11/keysymdef.h). */
static const struct {
	uint32_t keysym;
	uint16_t code;
} named[] = {
	{' ', KEY_SPACE},
	{0xff08, KEY_BACKSPACE},
	{0xff09, KEY_TAB},
	{0xfe20, KEY_TAB},
	{0xff0d, KEY_ENTER},
	{0xff0a, KEY_ENTER},
	{0xff13, KEY_PAUSE},
	{0xff6b, KEY_PAUSE},
	{0xff14, KEY_SCROLLLOCK},
	{0xff15, KEY_SYSRQ},
	{0xff61, KEY_SYSRQ},
	{0xff1b, KEY_ESC},
	{0xff50, KEY_HOME},
	{0xff51, KEY_LEFT},
	{0xff52, KEY_UP},
	{0xff53, KEY_RIGHT},
	{0xff54, KEY_DOWN},
	{0xff55, KEY_PAGEUP},
	{0xff56, KEY_PAGEDOWN},
	{0xff57, KEY_END},
	{0xff63, KEY_INSERT},
	{0xff67, KEY_COMPOSE},
	{0xff8d, KEY_KPENTER},
	{0xff95, KEY_HOME},
	{0xff96, KEY_LEFT},
	{0xff97, KEY_UP},
	{0xff98, KEY_RIGHT},
	{0xff99, KEY_DOWN},
	{0xff9a, KEY_PAGEUP},
	{0xff9b, KEY_PAGEDOWN},
	{0xff9c, KEY_END},
	{0xff9d, KEY_KP5},
	{0xff9e, KEY_INSERT},
	{0xff9f, KEY_DELETE},
	{0xffaa, KEY_KPASTERISK},
	{0xffab, KEY_KPPLUS},
	{0xffac, KEY_KPCOMMA},
	{0xffad, KEY_KPMINUS},
	{0xffaf, KEY_KPSLASH},
	{0xffbd, KEY_KPEQUAL},
	{0xffbe, KEY_F1},
	{0xffbf, KEY_F2},
	{0xffc0, KEY_F3},
	{0xffc1, KEY_F4},
	{0xffc2, KEY_F5},
	{0xffc3, KEY_F6},
	{0xffc4, KEY_F7},
	{0xffc5, KEY_F8},
	{0xffc6, KEY_F9},
	{0xffc7, KEY_F10},
	{0xffc8, KEY_F11},
	{0xffc9, KEY_F12},
	{0xffe1, KEY_LEFTSHIFT},
	{0xffe2, KEY_RIGHTSHIFT},
	{0xffe3, KEY_LEFTCTRL},
	{0xffe4, KEY_RIGHTCTRL},
	{0xffe7, KEY_LEFTMETA},
	{0xffe8, KEY_RIGHTMETA},
	{0xffe9, KEY_LEFTALT},
	{0xffea, KEY_RIGHTALT},
	{0xfe03, KEY_RIGHTALT},
	{0xff7e, KEY_RIGHTALT},
	{0xffeb, KEY_LEFTMETA},
	{0xffec, KEY_RIGHTMETA},
	{0xffff, KEY_DELETE},
	{0x1008ff11, KEY_VOLUMEDOWN},
	{0x1008ff12, KEY_MUTE},
	{0x1008ff13, KEY_VOLUMEUP},
	{0x1008ff14, KEY_PLAYPAUSE},
	{0x1008ff16, KEY_PREVIOUSSONG},
	{0x1008ff17, KEY_NEXTSONG},
	{0x1008ff26, KEY_BACK},
	{0x1008ff27, KEY_FORWARD},
	{0x1008ff1b, KEY_SEARCH},
};

uint32_t disp_key_keysym(uint32_t keysym, enum disp_shift *shift)
{
	*shift = DISP_SHIFT_ANY;
	if (keysym >= KEYPAD_0 && keysym <= KEYPAD_0 + 9)
		keysym = '0' + (keysym - KEYPAD_0);
	else if (keysym == KEYPAD_POINT)
		keysym = '.';
	if (keysym > ' ' && keysym < 0x7f) {
		for (size_t i = 0; i < ARRAY_LEN(us); i++) {
			if (us[i].plain == (char)keysym || us[i].shifted == (char)keysym) {
				*shift = us[i].plain == (char)keysym ? DISP_SHIFT_UP
								     : DISP_SHIFT_DOWN;
				return us[i].code;
			}
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		if (named[i].keysym == keysym)
			return named[i].code;
	}
	return 0;
}
