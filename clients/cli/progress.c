/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See progress.h.
 */
#include "clients/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void progress_show(struct progress *p, const char *step, int percent)
{
	bool again = strncmp(p->step, step, sizeof(p->step) - 1) == 0;

	if (p->quiet || (again && p->percent == percent))
		return;
	snprintf(p->step, sizeof(p->step), "%s", step);
	p->percent = percent;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s %d %%", step, percent);
	else if (!again)
		fprintf(stderr, "%s\n", step);
}

void progress_end(struct progress *p)
{
	if (p->step[0] && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	p->step[0] = 0;
}
