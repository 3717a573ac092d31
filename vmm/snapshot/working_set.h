/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which pages a clone writes until it is ready, learned from the first clone of a parent and kept
 * beside the parent's memory in the file "working-set" (snap_read()'s form, section "written"). A
 * clone that knows takes its own copies of them at once before it runs: a page costs it one fault
 * of the guest instead of three. Page numbers only, nothing of what is on the pages; a file that is
 * missing, damaged or of another memory costs time, nothing else. Main thread.
 */
#ifndef PANE_VMM_SNAPSHOT_WORKING_SET_H
#define PANE_VMM_SNAPSHOT_WORKING_SET_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

#define WORKING_SET_FILE "working-set"
#define WORKING_SET_ID	 16 /* bytes of a memory file's id, RAM_FILE_ID */

struct vm_mem;

struct working_set {
	int fd;	     /* owned: the file, -1 for none */
	int pagemap; /* owned: this process's page tables; -1: this clone does not record */
	uint8_t id[WORKING_SET_ID];
};

/* Opens the file in the snapshot's directory, and what it takes to write it. dir < 0: none. */
void working_set_open(struct working_set *w, int dir, const uint8_t id[WORKING_SET_ID]);
/* Copies the pages the file names; how many. Makes this the clone that records when the file names
 * none. Before the vCPUs run. */
uint64_t working_set_fetch(struct working_set *w, const struct vm_mem *m);
/* Writes down which pages of m are private by now, if this clone is to; how many, or -errno. */
int64_t working_set_record(struct working_set *w, const struct vm_mem *m);
void working_set_close(struct working_set *w);

#endif
