/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The flash chip in which UEFI firmware keeps its variables: a file, seen as memory until the
 * firmware writes a command (Intel's basic command set, Common Flash Interface publication 100,
 * set 0001). Reads of the array do not leave the guest; while a command is on, all accesses do.
 */
#ifndef PANE_VMM_PC_PFLASH_H
#define PANE_VMM_PC_PFLASH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define PFLASH_BLOCK 4096 /* bytes erased at once */

struct pflash {
	pthread_mutex_t lock; /* guards everything below and the bytes */
	uint8_t *bytes;	      /* borrowed, size of them; written through to their file */
	uint64_t size;
	uint8_t command; /* 0xff: the array is read */
	uint8_t status;
	bool array; /* shown to the guest as memory */
	/* Shows the array to the guest, or stops doing so. 0 or negative errno. May be NULL. */
	int (*show)(void *arg, bool on);
	void *arg;
};

int pflash_init(struct pflash *p, uint8_t *bytes, uint64_t size, int (*show)(void *arg, bool on),
		void *arg) must_check;
void pflash_fini(struct pflash *p);
/* Shows the guest what its last command asks for. The lock is held. */
void pflash_show(struct pflash *p);
/* A vm_io_fn for size bytes of memory. */
void pflash_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

#endif
