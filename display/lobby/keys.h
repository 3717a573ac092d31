/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys of the user's keyboard layout as characters.
 */
#ifndef PANE_LOBBY_KEYS_H
#define PANE_LOBBY_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct lobby_keys;

struct lobby_key {
	uint32_t keysym; /* 0: nothing to be done */
	char utf8[16];	 /* "" = it makes no character */
	bool shift, control;
};

/* layout as Windows numbers them; an unknown one is a US keyboard. Reads xkb-data's files. NULL
 * when there is no keymap to be had. */
struct lobby_keys *lobby_keys_new(uint32_t layout) must_check;
void lobby_keys_free(struct lobby_keys *k);
/* An evdev key goes down or up. */
void lobby_keys_press(struct lobby_keys *k, uint32_t code, bool down, struct lobby_key *out);
/* A character that came by its keysym. */
void lobby_keys_character(uint32_t keysym, struct lobby_key *out);

#endif
