/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See compare.h.
 */
#include "display/compare.h"

#include <string.h>

#define SPLIT_MIN_PX 1024 /* a box is cut in two when that many pixels are spared, */
#define SPLIT_SHARE  4	  /* and no less than this part of it */

/* The columns that differ, a row; hi 0 = none. */
struct extents {
	uint8_t lo[DISP_TILE], hi[DISP_TILE];
};

bool disp_tile_differs(const uint32_t *a, const uint32_t *b, size_t stride_px, uint32_t w,
		       uint32_t h)
{
	for (uint32_t y = 0; y < h; y++, a += stride_px, b += stride_px) {
		if (memcmp(a, b, w * 4ul) != 0)
			return true;
	}
	return false;
}

/* Makes the row equal; false when it was. */
static bool take_row(uint32_t *to, const uint32_t *from, uint32_t w, uint8_t *lo, uint8_t *hi)
{
	uint32_t a = 0, b = w;

	if (memcmp(to, from, w * 4ul) == 0)
		return false;
	while (to[a] == from[a])
		a++;
	while (to[b - 1] == from[b - 1])
		b--;
	memcpy(to + a, from + a, (b - a) * 4ul);
	*lo = (uint8_t)a;
	*hi = (uint8_t)b;
	return true;
}

static uint32_t box_area(const struct disp_box *b)
{
	return (uint32_t)(b->x1 - b->x0) * (uint32_t)(b->y1 - b->y0);
}

static void box_add(struct disp_box *b, const struct extents *e, uint32_t y)
{
	if (!e->hi[y])
		return;
	if (!b->x1) {
		*b = (struct disp_box){e->lo[y], (uint8_t)y, e->hi[y], (uint8_t)(y + 1)};
		return;
	}
	b->x0 = e->lo[y] < b->x0 ? e->lo[y] : b->x0;
	b->x1 = e->hi[y] > b->x1 ? e->hi[y] : b->x1;
	b->y0 = y < b->y0 ? (uint8_t)y : b->y0;
	b->y1 = y + 1u > b->y1 ? (uint8_t)(y + 1) : b->y1;
}

/* Cuts *b where the two halves' boxes are smallest; true when it pays. */
static bool split(struct disp_box *b, const struct extents *e, struct disp_box *below)
{
	struct disp_box upper[DISP_TILE], lower = {0}, best_low = {0};
	struct disp_box acc = {0};
	uint32_t best = UINT32_MAX, at = 0, whole = box_area(b);

	for (uint32_t y = b->y0; y < b->y1; y++) {
		box_add(&acc, e, y);
		upper[y] = acc;
	}
	for (uint32_t y = b->y1 - 1u; y > b->y0; y--) {
		uint32_t sum;

		box_add(&lower, e, y);
		sum = box_area(&upper[y - 1]) + box_area(&lower);
		if (lower.x1 && sum < best) {
			best = sum;
			at = y;
			best_low = lower;
		}
	}
	if (best >= whole || whole - best < SPLIT_MIN_PX || whole - best < whole / SPLIT_SHARE)
		return false;
	*b = upper[at - 1];
	*below = best_low;
	return true;
}

unsigned disp_tile_take(uint32_t *to, const uint32_t *from, size_t stride_px, uint32_t w,
			uint32_t h, struct disp_box out[DISP_BOXES])
{
	struct extents e = {0};
	unsigned n = 1;

	out[0] = (struct disp_box){0};
	for (uint32_t y = 0; y < h; y++, to += stride_px, from += stride_px) {
		if (take_row(to, from, w, &e.lo[y], &e.hi[y]))
			box_add(&out[0], &e, y);
	}
	if (!out[0].x1)
		return 0;
	if (split(&out[0], &e, &out[1])) {
		n = 2;
		if (split(&out[1], &e, &out[2])) {
			n = 3;
		} else {
			struct disp_box last = out[1];

			if (split(&out[0], &e, &out[1])) {
				out[2] = last;
				n = 3;
			}
		}
	}
	return n;
}
