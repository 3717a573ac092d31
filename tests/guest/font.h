/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Glyphs of ' ' to '~'.
 */
#ifndef PANE_TESTS_GUEST_FONT_H
#define PANE_TESTS_GUEST_FONT_H

#include <stdint.h>

extern const uint8_t font[95][5];

#endif
