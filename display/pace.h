/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How fast a viewer takes what it is sent, judged by its acknowledgements, and how much may be
 * under way for it: what keeps the line busy and little more, so that the newest picture is never
 * behind a long queue. The line's own delay is the shortest round trip seen; what a large frame
 * takes beyond that is its bytes' time.
 */
#ifndef PANE_DISPLAY_PACE_H
#define PANE_DISPLAY_PACE_H

#include <stdint.h>

#define PACE_FRAMES_MAX 16	   /* under way */
#define PACE_BYTES_MAX	(2u << 20) /* the same */

struct disp_pace {
	int64_t rtt_ms;	   /* the shortest seen; 0 = none yet */
	int64_t rate_kbps; /* kilobytes a second; 0 = not known */
};

/* A frame of so many bytes was confirmed so long after it was sent. */
void disp_pace_acked(struct disp_pace *p, uint32_t bytes, int64_t ms);
/* How many frames and bytes may be under way. */
uint32_t disp_pace_frames(const struct disp_pace *p);
uint32_t disp_pace_bytes(const struct disp_pace *p);
/* How many tiles to sharpen at once: a moment's worth, as they are in nobody's way then. */
uint32_t disp_pace_tiles(const struct disp_pace *p);

#endif
