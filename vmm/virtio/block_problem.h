/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the file below a disk fails with: logged, kept as a sentence, and told to whoever wants to
 * know, at most once a second. Any thread.
 */
#ifndef PANE_VMM_VIRTIO_BLOCK_PROBLEM_H
#define PANE_VMM_VIRTIO_BLOCK_PROBLEM_H

#include <pthread.h>
#include <stddef.h>
#include "common/log.h"

struct block_problem {
	pthread_mutex_t lock; /* guards text and log */
	char text[160];
	struct log_bucket log;
	void (*tell)(void *arg); /* NULL is fine */
	void *arg;		 /* borrowed */
};

void block_problem_init(struct block_problem *p, void (*tell)(void *arg), void *arg);
void block_problem_fini(struct block_problem *p);
/* what: "read", "write", …; error: a negative errno. */
void block_problem_report(struct block_problem *p, const char *what, int error);
/* The latest as a sentence, "" when there was none. */
void block_problem_text(struct block_problem *p, char *out, size_t n);

#endif
