/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card's screen: a pattern and a text area on a virtio-gpu scanout.
 */
#ifndef PANE_TESTS_GUEST_SCREEN_H
#define PANE_TESTS_GUEST_SCREEN_H

#include <stdbool.h>

#define SCREEN_W 640
#define SCREEN_H 400

bool screen_open(void); /* false: no such device */
/* Draws text at the writing position; '\n' and '\b' do what they say. */
void screen_text(const char *s);
/* A 9x9 cross that marks the pointer. */
void screen_pointer(unsigned x, unsigned y);

#endif
