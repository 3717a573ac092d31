/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Few rectangles of many: the changed boxes of tiles are joined into runs, runs into taller
 * rectangles, each of one colour or not.
 */
#ifndef PANE_DISPLAY_JOIN_H
#define PANE_DISPLAY_JOIN_H

#include "display/compare.h"

/* What of one tile is to be written: n boxes, 0 = nothing. */
struct disp_change {
	uint8_t n;
	struct disp_box box[DISP_BOXES];
};

struct disp_run {
	struct surface_rect r;
	uint32_t colour;
	bool solid;
};

typedef int (*disp_run_fn)(void *arg, const struct disp_run *run);

/* Calls emit for rectangles that cover every change, each pixel at least once; 0 or the first
 * negative answer. pixels is the picture of width x height the changes are of. */
int disp_join(const struct disp_change *changes, const uint32_t *pixels, uint32_t width,
	      uint32_t height, disp_run_fn emit, void *arg) must_check;

#endif
