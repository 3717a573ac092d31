/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Physical keys: Linux evdev codes to RDP scancodes. The layout is the desktop's business, so the
 * position of a key travels and never its label.
 */
#ifndef PANE_CLIENTS_THIN_KEYMAP_H
#define PANE_CLIENTS_THIN_KEYMAP_H

#include <stdint.h>

#define THIN_SCAN_EXTENDED 0x100u /* sent behind an E0 prefix */
#define THIN_SCAN_PAUSE	   0x200u /* the E1 sequence, sent as a whole on press */

/* The scancode of an evdev key code with the flags above, or 0 for a key RDP has none for. */
uint32_t thin_keymap_scancode(uint32_t evdev);
/* GDK's hardware key code (X11 and Wayland alike: evdev + 8) to evdev, 0 when out of range. */
uint32_t thin_keymap_evdev(uint32_t hardware);

#endif
