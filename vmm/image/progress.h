/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Progress on standard output, a JSON object a line: {"percent":42,"step":"convert"}, one for each
 * new percent or step; and the outcome. The reader going away ends the work.
 */
#ifndef PANE_IMAGE_PROGRESS_H
#define PANE_IMAGE_PROGRESS_H

#include <jansson.h>
#include <stdint.h>
#include "common/cleanup.h"

struct img_progress {
	const char *step;
	int from, to; /* percents of the whole the step spans */
	int last;     /* printed last */
	int cancel_fd;
};

/* Begins a step: prints its first line. -ECANCELED when asked to stop or nobody reads. */
int img_progress_step(struct img_progress *p, const char *step, int from, int to) must_check;
/* done of all inside the step; an img_tick_fn. */
int img_progress_tick(void *p, uint64_t done, uint64_t all);
/* Prints any object (stolen) as a line. */
int img_progress_line(json_t *o) must_check;

#endif
