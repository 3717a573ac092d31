/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text as pixels: one font, read once into memory, at any size.
 */
#ifndef PANE_LOBBY_FACE_H
#define PANE_LOBBY_FACE_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct lobby_face;

/* A picture in memory: XRGB8888, rows without padding. */
struct lobby_canvas {
	uint32_t *pixels; /* borrowed */
	int32_t width, height;
};

/* file: a font of any kind FreeType reads. */
struct lobby_face *lobby_face_new(const char *file, struct err *e) must_check;
void lobby_face_free(struct lobby_face *f);
/* Width in pixels of n bytes of UTF-8 at a size of px pixels. */
int32_t lobby_face_width(struct lobby_face *f, int px, const char *text, size_t n);
/* Draws it with the baseline at y; returns where the next character goes. Clipped to the canvas. */
int32_t lobby_face_draw(struct lobby_face *f, const struct lobby_canvas *c, int px, int32_t x,
			int32_t y, uint32_t colour, const char *text, size_t n);
/* How many bytes of text fit into width, cut at a space where there is one; at least one character.
 */
size_t lobby_face_fit(struct lobby_face *f, int px, const char *text, int32_t width);

#endif
