/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log is opened to append, so emptying it is enough to start again at its beginning; what is
 * kept is always the newest. Reading does not block; a
 * desktop that prints faster than this reads waits in its own write.
 */
#include "vmm/cell/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "common/log.h"
#include "common/loop.h"

#define CHUNK	16384
#define A_ROUND 16 /* chunks taken before others get their turn */

static void keep(struct cell_output *o, const char *p, size_t n)
{
	if (o->kept + n > OUTPUT_MAX) {
		if (!o->file || ftruncate(o->log, 0) < 0)
			return;
		o->kept = 0;
		log_warn("cell.output", "dropped=%u reason=\"the session prints a lot\"",
			 OUTPUT_MAX);
	}
	while (n) {
		ssize_t w = write(o->log, p, n);

		if (w <= 0)
			return; /* a full disk: it is only a log */
		o->kept += (uint64_t)w;
		p += w;
		n -= (size_t)w;
	}
}

/* Whether there may be more. */
static bool take(struct cell_output *o)
{
	char chunk[CHUNK];
	ssize_t n = read(o->from, chunk, sizeof(chunk));

	if (n > 0)
		keep(o, chunk, (size_t)n);
	if (n == 0 && o->io) { /* nobody prints any more */
		loop_io_del(o->io);
		o->io = NULL;
	}
	return n > 0;
}

static void on_output(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	for (int i = 0; i < A_ROUND && take(arg); i++)
		;
}

int cell_output_open(struct cell_output *o, struct loop *l, const char *path, struct err *e)
{
	int ends[2];

	o->file = path != NULL;
	o->log = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
			     0600)
		      : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->log < 0)
		return err_set(e, -errno, "log %s: %m", path ? path : "to standard error");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %m");
	o->from = ends[0];
	o->in = ends[1];
	if (fcntl(o->from, F_SETFL, O_NONBLOCK) < 0)
		return err_set(e, -errno, "pipe: %m");
	o->io = loop_io_add(l, o->from, LOOP_READ, on_output, o);
	return o->io ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void cell_output_close(struct cell_output *o)
{
	cleanup_close_fn(&o->in);
	for (int i = 0; o->from >= 0 && i < (int)(OUTPUT_MAX / CHUNK) && take(o); i++)
		;
	loop_io_del(o->io);
	o->io = NULL;
	cleanup_close_fn(&o->from);
	cleanup_close_fn(&o->log);
	o->in = o->from = o->log = -1;
}
