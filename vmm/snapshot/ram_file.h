/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A machine's memory as a file: byte i of the file is byte i of RAM (regions one after the other),
 * pages of zeros are holes, and a page at the end says whose memory it is. Clones map it
 * MAP_PRIVATE, so it must not change as long as any of them lives: it is made read-only, and
 * replaced by another file, never rewritten.
 */
#ifndef PANE_VMM_SNAPSHOT_RAM_FILE_H
#define PANE_VMM_SNAPSHOT_RAM_FILE_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define RAM_FILE_ID 16

struct vm_mem;

/* Writes m to fd, an empty file. *pages gets the number of pages that are no hole. */
int ram_file_write(int fd, const struct vm_mem *m, const uint8_t id[RAM_FILE_ID], uint64_t *pages,
		   struct err *e) must_check;
/* Whether fd holds size bytes of memory under that id. */
int ram_file_check(int fd, uint64_t size, const uint8_t id[RAM_FILE_ID], struct err *e) must_check;

#endif
