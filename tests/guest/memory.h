/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where this machine's memory is, and whether its end is there: the last gigabyte that has some is
 * mapped when it is asked for.
 */
#ifndef PANE_TESTS_GUEST_MEMORY_H
#define PANE_TESTS_GUEST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* The boot_params hold the map; they are read now. */
void memory_init(const uint8_t *params);
/* "memory" prints the map; "top" writes a word at the end of memory and one at the beginning of the
 * gigabyte it is in, "topped" looks what is there: "top ADDRESS ok", or what else. false: another
 * word. */
bool memory_obey(const char *s);

#endif
