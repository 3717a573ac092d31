/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Letters on a picture, from an outline font of the system. The file is mapped when a program
 * starts, as nothing can be opened in its sandbox, and looked into only while something is drawn.
 * What the font does not have is drawn as its box for that. Characters stand one after the other:
 * scripts that join letters are readable at best. One thread.
 */
#ifndef PANE_COMMON_FONT_H
#define PANE_COMMON_FONT_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct font;

/* A picture being drawn on; pixels are XRGB, rows without padding. */
struct canvas {
	int32_t width, height;
	uint32_t *pixels;
};

struct font *font_new(const char *file, struct err *e) must_check;
void font_free(struct font *f); /* NULL is fine */
/* Between these two it may be used, at that size; another begin in between is another size. */
int font_begin(struct font *f, unsigned px) must_check;
void font_end(struct font *f);
/* How far the next character is from this one; pixels. */
int32_t font_advance(struct font *f, uint32_t c);
/* Draws c with its origin at x on the base line y, cut to the canvas. */
void font_draw(struct font *f, const struct canvas *to, int32_t x, int32_t y, uint32_t c,
	       uint32_t xrgb);

#endif
