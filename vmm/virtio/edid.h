/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes the EDID (VESA E-EDID 1.4) of a screen with one preferred mode at 60 Hz.
 */
#ifndef PANE_VMM_VIRTIO_EDID_H
#define PANE_VMM_VIRTIO_EDID_H

#include <stdint.h>

#define EDID_BYTES 128

/* Sizes a detailed timing cannot express (over 4095 pixels, or too many pixels a second) get an
 * EDID without one; the guest then goes by the display info. */
void edid_make(uint8_t out[EDID_BYTES], uint32_t width, uint32_t height);

#endif
