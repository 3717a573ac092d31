/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The display's end of a surface's socket in a test, beside the loop that serves the other one.
 */
#ifndef PANE_TESTS_COMMON_SURFACE_NEXT_H
#define PANE_TESTS_COMMON_SURFACE_NEXT_H

#include <errno.h>
#include "common/loop.h"
#include "common/surface.h"

static inline void surface_next_readable(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	loop_stop(arg);
}

/* The next message the display gets, in m; the loop runs until there is one. */
static inline struct surface_msg *surface_next(struct loop *l, int sock, struct surface_msg *m)
{
	int r;

	while ((r = surface_recv(sock, m)) == -EAGAIN) {
		struct loop_io *io = loop_io_add(l, sock, LOOP_READ, surface_next_readable, l);

		assert_int_equal(loop_run(l), 0);
		loop_io_del(io);
	}
	assert_int_equal(r, 1);
	return m;
}

#endif
