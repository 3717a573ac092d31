/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A second, poor reader of a desktop's surface, beside the display: the host agent, which makes
 * small pictures of desktops that somebody looks at. It listens at the surface socket's path with
 * SURFACE_PEEK_SUFFIX behind it and speaks common/surface.h: the reader says LOOK with the scanout
 * and the change it has seen; once there is another, it gets the SCANOUT (when that is a new one)
 * and a DAMAGE of all of it, and nothing more before its next LOOK. So a reader decides how often,
 * and one that does not ask costs nothing. It has no say: no input, no clipboard, no size.
 *
 * Newest reader wins. The setters may be called from any thread; sockets are the loop's.
 */
#ifndef PANE_COMMON_SURFACE_PEEK_H
#define PANE_COMMON_SURFACE_PEEK_H

#include "common/cleanup.h"
#include "common/err.h"
#include "common/surface.h"

#define SURFACE_PEEK_SUFFIX ".p"

struct loop;
struct surface_peek;

/* look (may be NULL): a reader waits for news; whoever draws on demand says now what it has. In the
 * loop's thread, without a lock held. surface: the surface socket's path. */
struct surface_peek *surface_peek_new(struct loop *loop, const char *surface,
				      void (*look)(void *arg), void *arg, struct err *e) must_check;
void surface_peek_free(struct surface_peek *p); /* NULL is fine */

/* fd is duplicated; NULL: no screen. */
void surface_peek_scanout(struct surface_peek *p, int fd, const struct surface_scanout *sc);
void surface_peek_changed(struct surface_peek *p);
/* A reader waits. */
bool surface_peek_wanted(struct surface_peek *p);

#endif
