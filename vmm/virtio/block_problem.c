/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See block_problem.h.
 */
#include "vmm/virtio/block_problem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void block_problem_init(struct block_problem *p, void (*tell)(void *arg), void *arg)
{
	*p = (struct block_problem){.tell = tell, .arg = arg};
	pthread_mutex_init(&p->lock, NULL);
}

void block_problem_fini(struct block_problem *p)
{
	pthread_mutex_destroy(&p->lock);
}

void block_problem_report(struct block_problem *p, const char *what, int error)
{
	bool tell;

	pthread_mutex_lock(&p->lock);
	snprintf(p->text, sizeof(p->text), "disk %s failed: %s%s", what, strerror(-error),
		 error == -ENOSPC ? " (the host's disk is full)" : "");
	tell = log_allow(&p->log, 1);
	if (tell)
		log_warn("disk.error", "op=%s reason=%s", what, LOG_Q(strerror(-error)));
	pthread_mutex_unlock(&p->lock);
	if (tell && p->tell)
		p->tell(p->arg);
}

void block_problem_text(struct block_problem *p, char *out, size_t n)
{
	pthread_mutex_lock(&p->lock);
	snprintf(out, n, "%s", p->text);
	pthread_mutex_unlock(&p->lock);
}
