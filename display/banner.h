/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Draws a banner of a few paragraphs for a screen of some size: how wide and high it is, where it
 * lies, and its pixels.
 */
#ifndef PANE_DISPLAY_BANNER_H
#define PANE_DISPLAY_BANNER_H

#include "common/surface.h"
#include "common/font.h"

/* Lines are broken at blanks where they can be; '\n' begins one. What does not fit into half of the
 * screen's height is left out. *pixels is the caller's to free. -ERANGE: no room for anything. */
int disp_banner_draw(struct font *font, const char *const *texts, unsigned n, uint32_t width,
		     uint32_t height, struct surface_rect *r, uint32_t **pixels) must_check;

#endif
