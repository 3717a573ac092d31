/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lobby's screen: a card in the middle of it, sized by the screen.
 */
#ifndef PANE_LOBBY_PAINT_H
#define PANE_LOBBY_PAINT_H

#include "display/lobby/face.h"
#include "display/lobby/form.h"

struct lobby_look {
	struct font *face, *bold;    /* borrowed */
	const char *title;	     /* borrowed */
	struct surface_rect monitor; /* where the card goes: all, or the primary monitor */
};

/* Paints all of c, and notes in f where things are. */
void lobby_paint(const struct canvas *c, const struct lobby_look *look, struct lobby_form *f,
		 int64_t now_ms);

#endif
