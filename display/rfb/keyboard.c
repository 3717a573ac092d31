/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See keyboard.h.
 */
#include "display/rfb/keyboard.h"

#include <linux/input-event-codes.h>
#include "display/keys.h"

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
		disp_viewer_press(v, key, shift);
}
