/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How far long work is: one line redrawn on a terminal; elsewhere, as in the log of a job, a line
 * for each step.
 */
#pragma once
#include <stdbool.h>

struct progress {
	bool quiet;
	char step[48]; /* shown last */
	int percent;
};

/* percent: 0 to 100. Says nothing that it has said. */
void progress_show(struct progress *p, const char *step, int percent);

/* Leaves the terminal's line empty for what comes next. */
void progress_end(struct progress *p);
