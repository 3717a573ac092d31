/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sound formats as rdpsnd and audin say them: AUDIO_FORMAT, [MS-RDPEA] 2.2.2.1.1. Ours are PCM of
 * 16 bits.
 */
#ifndef PANE_DISPLAY_RDP_WAVE_H
#define PANE_DISPLAY_RDP_WAVE_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define WAVE_FORMAT 18 /* bytes of one without further data */

void disp_wave_put(uint8_t out[WAVE_FORMAT], uint32_t rate, unsigned channels);
/* In a client's list of count formats: at[i] is the first one that is ours[i], by its number there,
 * or -1. -EPROTO when the list is longer than 256, or than its n bytes. */
int disp_wave_find(const uint8_t *list, size_t n, uint32_t count,
		   const uint8_t (*ours)[WAVE_FORMAT], size_t n_ours, int *at) must_check;

#endif
