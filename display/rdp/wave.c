/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See wave.h.
 */
#include "display/rdp/wave.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define FORMATS_MAX 256

void disp_wave_put(uint8_t out[WAVE_FORMAT], uint32_t rate, unsigned channels)
{
	put_le16(out, 1); /* WAVE_FORMAT_PCM */
	put_le16(out + 2, (uint16_t)channels);
	put_le32(out + 4, rate);
	put_le32(out + 8, rate * channels * 2);
	put_le16(out + 12, (uint16_t)(channels * 2));
	put_le16(out + 14, 16);
	put_le16(out + 16, 0);
}

int disp_wave_find(const uint8_t *list, size_t n, uint32_t count,
		   const uint8_t (*ours)[WAVE_FORMAT], size_t n_ours, int *at)
{
	for (size_t k = 0; k < n_ours; k++)
		at[k] = -1;
	if (count > FORMATS_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		size_t size;

		if (n < WAVE_FORMAT)
			return -EPROTO;
		size = WAVE_FORMAT + (size_t)get_le16(list + 16);
		if (n < size)
			return -EPROTO;
		for (size_t k = 0; k < n_ours; k++)
			if (at[k] < 0 && memcmp(list, ours[k], WAVE_FORMAT) == 0)
				at[k] = (int)i;
		list += size;
		n -= size;
	}
	return 0;
}
