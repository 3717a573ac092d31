/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card's sound: "play" plays half a second of a square wave of 1 kHz.
 */
#ifndef PANE_TESTS_GUEST_SOUND_H
#define PANE_TESTS_GUEST_SOUND_H

void sound_play(void);

#endif
