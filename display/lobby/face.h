/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of text as pixels, at any size.
 */
#ifndef PANE_LOBBY_FACE_H
#define PANE_LOBBY_FACE_H

#include <stddef.h>
#include <stdint.h>
#include "common/font.h"

/* Width in pixels of n bytes of UTF-8 at a size of px pixels. */
int32_t lobby_face_width(struct font *f, int px, const char *text, size_t n);
/* Draws it with the baseline at y; returns where the next character goes. Clipped to the canvas. */
int32_t lobby_face_draw(struct font *f, const struct canvas *c, int px, int32_t x, int32_t y,
			uint32_t colour, const char *text, size_t n);
/* How many bytes of text fit into width, cut at a space where there is one; at least one character.
 */
size_t lobby_face_fit(struct font *f, int px, const char *text, int32_t width);

#endif
