/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card's memory balloon: 64 MiB that it does not need, from 32 MiB up.
 */
#ifndef PANE_TESTS_GUEST_BALLOON_H
#define PANE_TESTS_GUEST_BALLOON_H

void balloon_open(void);
/* Fills the balloon up to what the host wants now, from the bottom. */
void balloon_look(void);
/* "fill" writes to all of it, "report" reports the upper half as free, "check" counts the pages
 * that are zeros. */
void balloon_obey(const char *s);

#endif
