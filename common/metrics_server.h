/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where a daemon's metrics are fetched: HTTP/1.1, `GET /metrics` and nothing else, on a unix socket
 * or a loopback address. A few clients at once, one request each, answered or dropped within a few
 * seconds. The loop's thread.
 */
#ifndef PANE_COMMON_METRICS_SERVER_H
#define PANE_COMMON_METRICS_SERVER_H

#include "common/err.h"
#include "common/metrics.h"

#define METRICS_LISTEN_MAX 4 /* addresses of one daemon */

struct loop;
struct metrics_server;

typedef void (*metrics_write_fn)(void *arg, struct metrics *m);

/* Whether metrics_listen may name addr: "unix:/path", "127.x.x.x:port" or "[::1]:port". They say
 * how many people work, and ask nobody for a password. */
int metrics_address_check(const char *addr, struct err *e) must_check;
/* The descriptor of a listener at addr, a socket of mode 0660. */
int metrics_listen(const char *addr, struct err *e) must_check;

/* Serves the n listeners, which stay the caller's. NULL without memory. */
struct metrics_server *metrics_server_new(struct loop *l, const int *fds, unsigned n,
					  metrics_write_fn fn, void *arg) must_check;
void metrics_server_free(struct metrics_server *s); /* NULL is fine */

#endif
