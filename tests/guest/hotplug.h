/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an operating system does when devices come and go (vmm/hotplug.h). On the serial line:
 * "plugged SLOT VENDOR:DEVICE"; of a disk "plugdisk KIB TEXT" (what begins its first sector, which
 * then says "WRITTEN BY THE CARD"; "read-only TEXT" where it cannot), of a network card "plugnet
 * MAC", then "frame LEN" for each that comes, which goes back as it came; "asked SLOT" and "ejected
 * SLOT". Words: "hold" keeps what is asked for, "letgo" ejects all that is there.
 */
#ifndef PANE_TESTS_GUEST_HOTPLUG_H
#define PANE_TESTS_GUEST_HOTPLUG_H

#include <stdbool.h>

/* From the main loop: news of the slots, frames of plugged cards. */
void hotplug_look(void);
/* Obeys a word; false when it is another's. */
bool hotplug_obey(const char *s);

#endif
