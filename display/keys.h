/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Key codes: PC scan codes (set 1, as RDP and QEMU's RFB extension send them) and X keysyms to
 * evdev codes. Characters are mapped for a guest with a US keyboard.
 */
#ifndef PANE_DISPLAY_KEYS_H
#define PANE_DISPLAY_KEYS_H

#include <stdbool.h>
#include <stdint.h>

/* evdev code, or 0. extended: the code was prefixed by E0. */
uint32_t disp_key_scancode(uint32_t code, bool extended);

enum disp_shift {
	DISP_SHIFT_ANY,
	DISP_SHIFT_UP,
	DISP_SHIFT_DOWN
};
/* evdev code, or 0; *shift says what the shift keys must be for the guest to make this character.
 */
uint32_t disp_key_keysym(uint32_t keysym, enum disp_shift *shift);

#endif
