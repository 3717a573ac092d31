/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See keyboard.h.
 */
#include "display/rfb/keyboard.h"

#include <linux/input-event-codes.h>
#include "display/keys.h"

/* The modifiers that change which character a key makes. */
static const uint32_t level_keys[] = {KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_RIGHTALT};

static void press_level(struct disp_viewer *v, uint32_t key, enum disp_shift shift)
{
	bool lifted[ARRAY_LEN(level_keys)] = {false}, add;

	add = shift == DISP_SHIFT_DOWN && !disp_viewer_held(v, KEY_LEFTSHIFT) &&
	      !disp_viewer_held(v, KEY_RIGHTSHIFT);
	for (size_t i = 0; i < ARRAY_LEN(level_keys); i++) {
		bool is_shift = level_keys[i] != KEY_RIGHTALT;

		lifted[i] = disp_viewer_held(v, level_keys[i]) &&
			    !(is_shift && shift == DISP_SHIFT_DOWN);
		if (lifted[i])
			disp_viewer_key(v, level_keys[i], false);
	}
	if (add)
		disp_viewer_key(v, KEY_LEFTSHIFT, true);
	disp_viewer_key(v, key, true);
	if (add)
		disp_viewer_key(v, KEY_LEFTSHIFT, false);
	for (size_t i = 0; i < ARRAY_LEN(level_keys); i++) {
		if (lifted[i])
			disp_viewer_key(v, level_keys[i], true);
	}
}

void disp_rfb_key(struct disp_viewer *v, uint32_t keysym, bool down)
{
	enum disp_shift shift;
	uint32_t key = disp_key_keysym(keysym, &shift);
	/* With Ctrl, Alt or Super down it is a shortcut: the key counts, not the character. */
	bool shortcut = disp_viewer_held(v, KEY_LEFTCTRL) || disp_viewer_held(v, KEY_RIGHTCTRL) ||
			disp_viewer_held(v, KEY_LEFTALT) || disp_viewer_held(v, KEY_LEFTMETA) ||
			disp_viewer_held(v, KEY_RIGHTMETA);

	if (disp_source_foreign(v->source) && shift != DISP_SHIFT_ANY && !shortcut)
		key = 0; /* the keys are others than ours: by the character */
	if (!key) {
		if (down)
			(void)disp_viewer_keysym(v, keysym);
		return;
	}
	if (!down || shift == DISP_SHIFT_ANY || shortcut || disp_viewer_held(v, key))
		disp_viewer_key(v, key, down);
	else
		press_level(v, key, shift);
}
