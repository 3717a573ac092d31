/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pace.h.
 */
#include "display/pace.h"

#define SAMPLE_MIN  16384u /* bytes; smaller frames say nothing of the rate */
#define AHEAD_MS    33	   /* of bytes beyond the round trip, so that the line does not run dry */
#define BYTES_MIN   65536u
#define FRAMES_RATE 60 /* a second */
#define STEP_MS	    30 /* of the line, for one step of sharpening */
#define TILE_BYTES  8192
#define TILES_MAX   32
#define TILES_MIN   2

void disp_pace_acked(struct disp_pace *p, uint32_t bytes, int64_t ms)
{
	int64_t rate;

	ms = ms > 0 ? ms : 1;
	if (!p->rtt_ms || ms < p->rtt_ms)
		p->rtt_ms = ms;
	if (bytes < SAMPLE_MIN)
		return;
	rate = bytes / (ms - p->rtt_ms + 1);
	p->rate_kbps = p->rate_kbps ? (3 * p->rate_kbps + rate) / 4 : rate;
}

uint32_t disp_pace_frames(const struct disp_pace *p)
{
	int64_t n = 2 + p->rtt_ms * FRAMES_RATE / 1000;

	return n < PACE_FRAMES_MAX ? (uint32_t)n : PACE_FRAMES_MAX;
}

/* A kilobyte a second is a byte a millisecond. */
uint32_t disp_pace_bytes(const struct disp_pace *p)
{
	int64_t n = p->rate_kbps * (p->rtt_ms + AHEAD_MS);

	if (!p->rate_kbps || n > PACE_BYTES_MAX)
		return PACE_BYTES_MAX;
	return n < BYTES_MIN ? BYTES_MIN : (uint32_t)n;
}

uint32_t disp_pace_tiles(const struct disp_pace *p)
{
	int64_t n = p->rate_kbps * STEP_MS / TILE_BYTES;

	if (!p->rate_kbps || n > TILES_MAX)
		return TILES_MAX;
	return n < TILES_MIN ? TILES_MIN : (uint32_t)n;
}
