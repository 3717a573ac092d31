/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * RFB key events to evdev keys: a keysym is what the viewer's user means, so when the guest's US
 * keyboard needs shift for it and shift is not down (or the other way round), shift is pressed
 * or lifted around the key.
 */
#ifndef PANE_DISPLAY_RFB_KEYBOARD_H
#define PANE_DISPLAY_RFB_KEYBOARD_H

#include "display/viewer.h"

void disp_rfb_key(struct disp_viewer *v, uint32_t keysym, bool down);

#endif
