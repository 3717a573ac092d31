/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTTP on the broker's unix sockets, by libmicrohttpd: one epoll thread a socket reads requests and
 * writes answers; the work happens on the worker pool while the connection is suspended.
 */
#ifndef PANE_BROKER_HTTP_H
#define PANE_BROKER_HTTP_H

#include "broker/req.h"
#include "common/cleanup.h"

struct http_server;
struct work;

/* addr: the path of a unix socket, or as metrics_listen() takes it. */
struct http_server *http_server_new(const char *addr, enum req_listener which, struct work *w,
				    struct err *e) must_check;
/* Stops taking new connections; requests under way stay. */
void http_server_quiesce(struct http_server *s);
/* Only after work_stop(): no request may be suspended. */
void http_server_free(struct http_server *s);
/* work_done_fn: the answer is ready. */
void http_answer(struct req *r);

#endif
