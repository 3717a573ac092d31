/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See progress.h.
 */
#include "vmm/image/progress.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include "common/json.h"

int img_progress_line(json_t *o)
{
	cleanup_json json_t *own = o;
	cleanup_free char *text = own ? json_dumps(own, JSON_COMPACT) : NULL;

	if (!text)
		return -ENOMEM;
	return printf("%s\n", text) < 0 || fflush(stdout) != 0 ? -EPIPE : 0;
}

static int print(struct img_progress *p, int percent)
{
	p->last = percent;
	return img_progress_line(json_pack("{s:i,s:s}", "percent", percent, "step", p->step)) < 0
		       ? -ECANCELED
		       : 0;
}

int img_progress_step(struct img_progress *p, const char *step, int from, int to)
{
	p->step = step;
	p->from = from;
	p->to = to;
	return print(p, from);
}

int img_progress_tick(void *arg, uint64_t done, uint64_t all)
{
	struct img_progress *p = arg;
	struct pollfd cancel = {.fd = p->cancel_fd, .events = POLLIN};
	int percent = p->from;

	if (poll(&cancel, 1, 0) > 0 && cancel.revents)
		return -ECANCELED;
	if (all > 0 && done <= all)
		percent += (int)((double)done / (double)all * (p->to - p->from));
	return percent > p->last ? print(p, percent) : 0;
}
