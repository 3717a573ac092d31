/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Windows' keyboard layouts, as RDP clients name them, in the words of xkb-data.
 */
#ifndef PANE_COMMON_XLAYOUT_H
#define PANE_COMMON_XLAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define XLAYOUT_SYMBOLS 96
#define XLAYOUT_US	0x0409 /* what a new X server has */

/* The symbols component of the keymap; false for a layout that is not known. Alphabets that are not
 * Latin come as the second of two layouts, with Alt+Shift to change, as such users expect. */
bool xlayout_symbols(uint32_t layout, char out[XLAYOUT_SYMBOLS]);
/* Who types on it, as "de" or "pt_BR"; NULL where that is not known, and for English ones, which
 * people of many languages have. */
const char *xlayout_language(uint32_t layout);

#endif
