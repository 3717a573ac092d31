/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which pages of RAM are still to be sent, a bit each. A page is numbered as it lies in RAM,
 * regions one after the other. Main thread.
 */
#ifndef PANE_VMM_MIGRATE_PAGES_H
#define PANE_VMM_MIGRATE_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"

struct vm_mem;

struct migrate_pages {
	const struct vm_mem *ram; /* borrowed */
	uint64_t *left;		  /* owned; whole words */
	uint64_t pages, at;	  /* how many; where the search goes on */
	bool first;		  /* the receiver's memory is still zeros where nothing was sent */
};

struct migrate_run {
	uint64_t page;
	uint32_t n;
	bool zeros;
};

/* Everything that is not certainly zeros. 0 or -ENOMEM. */
int migrate_pages_init(struct migrate_pages *p, const struct vm_mem *ram) must_check;
void migrate_pages_fini(struct migrate_pages *p);
/* Begins another round, after bits were added to left. */
void migrate_pages_again(struct migrate_pages *p);
/* The next pages, alike and one after the other, which are to be sent no more; looks at no more
 * than *budget pages and takes them off it. False: none found within it, or p->at == p->pages: none
 * left. */
bool migrate_pages_next(struct migrate_pages *p, uint64_t *budget,
			struct migrate_run *run) must_check;
uint64_t migrate_pages_left(const struct migrate_pages *p);
/* A checksum of all of RAM, the same for the same bytes whatever the memory is made of. */
uint64_t migrate_pages_sum(const struct vm_mem *ram);

#endif
