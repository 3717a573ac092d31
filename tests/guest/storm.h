/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The card as an enemy: "storm" gives every virtio device rings and buffers of nonsense, in RAM, in
 * device registers, nowhere, over each other, without end, and resets devices in the middle of it.
 */
#ifndef PANE_TESTS_GUEST_STORM_H
#define PANE_TESTS_GUEST_STORM_H

void storm(void);

#endif
