/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Types characters that no key of the X keyboard has, and changes its layout to the one in front
 * of the user.
 *
 * A character is put on a key code that has no meaning in the layout, and that is pressed. Programs
 * read the new meaning when they are told of it, which may be a while after the key was pressed, so
 * codes are reused in turn, the one used longest ago first.
 */
#ifndef PANE_CELL_XTYPE_H
#define PANE_CELL_XTYPE_H

#include <stdbool.h>
#include <stdint.h>
#include "vmm/cell/xinput.h"

#define XTYPE_SPARES 64

struct xtype {
	struct xinput *in; /* borrowed */
	bool known;	   /* what follows is of the layout in force */
	unsigned n;
	struct {
		uint8_t code;
		uint32_t keysym; /* 0: nothing yet */
		uint64_t used;	 /* turn of its last use */
	} spare[XTYPE_SPARES];
	uint64_t turn;
	unsigned own;	 /* mapping changes of ours that we have not been told of yet */
	uint32_t layout; /* the last one asked for */
	uint8_t xkb;	 /* the XKEYBOARD extension's opcode; 0: not there */
};

void xtype_init(struct xtype *t, struct xinput *in);
/* Presses and releases the key of a character; nothing when the layout leaves no code free. */
void xtype_keysym(struct xtype *t, uint32_t keysym);
/* A Windows keyboard layout; one that xlayout.h does not know changes nothing. */
void xtype_layout(struct xtype *t, uint32_t layout);
/* The X server says that the mapping changed. */
void xtype_mapping(struct xtype *t, uint8_t request, uint8_t count);

#endif
