/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * EDID 1.4 base block: identity, a detailed timing for the preferred mode, range limits and a name.
 * Blanking follows CVT reduced blanking in spirit (160 pixels, 3% of lines); nothing is ever
 * driven by these numbers, guests only want them plausible.
 */
#include "vmm/virtio/edid.h"

#include <stdbool.h>
#include <string.h>
#include "common/wire.h"

enum {
	H_BLANK = 160,
	H_FRONT = 48,
	H_SYNC = 32,
	V_FRONT = 3,
	V_SYNC = 6,
	HZ = 60,
	DPI = 96
};

static uint32_t mm(uint32_t px)
{
	return px * 254 / (DPI * 10);
}

/* §3.10.2: 18 bytes. False when the mode does not fit. */
static bool detailed_timing(uint8_t *t, uint32_t w, uint32_t h)
{
	uint32_t v_blank = h * 3 / 100 + 12;
	uint64_t clock = (uint64_t)(w + H_BLANK) * (h + v_blank) * HZ / 10000; /* 10 kHz */

	if (w > 4095 || h > 4095 || clock > 0xffff)
		return false;
	put_le16(t, (uint16_t)clock);
	t[2] = (uint8_t)w;
	t[3] = H_BLANK;
	t[4] = (uint8_t)(w >> 8 << 4);
	t[5] = (uint8_t)h;
	t[6] = (uint8_t)v_blank;
	t[7] = (uint8_t)(h >> 8 << 4 | v_blank >> 8);
	t[8] = H_FRONT;
	t[9] = H_SYNC;
	t[10] = V_FRONT << 4 | V_SYNC;
	t[11] = 0;
	t[12] = (uint8_t)mm(w);
	t[13] = (uint8_t)mm(h);
	t[14] = (uint8_t)(mm(w) >> 8 << 4 | mm(h) >> 8);
	t[17] = 0x1a; /* digital separate sync, positive horizontal */
	return true;
}

/* §3.10.3: a display descriptor with text, ended by a line feed and padded with spaces. */
static void text(uint8_t *t, uint8_t tag, const char *s)
{
	size_t n = strlen(s);

	memset(t, 0, 5);
	t[3] = tag;
	memset(t + 5, ' ', 13);
	memcpy(t + 5, s, n);
	if (n < 13)
		t[5 + n] = '\n';
}

static void range_limits(uint8_t *t)
{
	static const uint8_t limits[18] = {0,	0, 0,	 0xfd, 0,   50,	 125, 15,  255,
					   255, 1, '\n', ' ',  ' ', ' ', ' ', ' ', ' '};

	memcpy(t, limits, sizeof(limits));
}

void edid_make(uint8_t out[EDID_BYTES], uint32_t width, uint32_t height)
{
	static const uint8_t head[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	uint8_t sum = 0, *t = out + 54;

	memset(out, 0, EDID_BYTES);
	memcpy(out, head, sizeof(head));
	put_be16(out + 8, ('P' - '@') << 10 | ('A' - '@') << 5 | ('N' - '@'));
	put_le16(out + 10, 1); /* product */
	out[17] = 2024 - 1990; /* year of the model */
	out[18] = 1;	       /* EDID 1.4 */
	out[19] = 4;
	out[20] = 0xa0; /* digital, 8 bits a colour */
	out[21] = (uint8_t)(mm(width) / 10 > 255 ? 0 : mm(width) / 10);	  /* cm */
	out[22] = (uint8_t)(mm(height) / 10 > 255 ? 0 : mm(height) / 10); /* cm */
	out[23] = 120;							  /* gamma 2.2 */
	out[24] = 0x06; /* sRGB, the first timing is the preferred one */
	memcpy(out + 25,
	       (const uint8_t[10]){0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54}, 10);
	memset(out + 38, 1, 16); /* no standard timings */
	if (detailed_timing(t, width, height))
		t += 18;
	text(t, 0xfc, "Pane");
	range_limits(t + 18);
	for (t += 36; t < out + 126; t += 18)
		t[3] = 0x10; /* dummy */
	for (int i = 0; i < 127; i++)
		sum = (uint8_t)(sum + out[i]);
	out[127] = (uint8_t)-sum;
}
