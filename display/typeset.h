/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Letters on a picture, from an outline font of the system. The file is mapped when the display
 * starts, as nothing can be opened in its sandbox, and looked into only while something is drawn.
 * What the font does not have is drawn as its box for that. Characters stand one after the other:
 * scripts that join letters are readable at best. Main thread.
 */
#ifndef PANE_DISPLAY_TYPESET_H
#define PANE_DISPLAY_TYPESET_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct disp_font;

/* A picture being drawn on; pixels are XRGB, rows without padding. */
struct disp_canvas {
	int32_t width, height;
	uint32_t *pixels;
};

struct disp_font *disp_font_new(const char *file, struct err *e) must_check;
void disp_font_free(struct disp_font *f); /* NULL is fine */
/* Between these two it may be used, at that size. */
int disp_font_begin(struct disp_font *f, unsigned px) must_check;
void disp_font_end(struct disp_font *f);
/* How far the next character is from this one; pixels. */
int32_t disp_font_advance(struct disp_font *f, uint32_t c);
/* Draws c with its origin at x on the base line y, cut to the canvas. */
void disp_font_draw(struct disp_font *f, const struct disp_canvas *to, int32_t x, int32_t y,
		    uint32_t c, uint32_t xrgb);

#endif
