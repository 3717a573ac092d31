/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * XXH64, the checksum of snapshot sections: finds damage at memory speed. It is no signature; who
 * can write a snapshot's directory is trusted with the desktop.
 */
#ifndef PANE_VMM_SNAPSHOT_XXH64_H
#define PANE_VMM_SNAPSHOT_XXH64_H

#include <stddef.h>
#include <stdint.h>

uint64_t xxh64(const void *p, size_t n, uint64_t seed);

#endif
