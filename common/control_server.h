/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A control socket: a few local clients, one JSON object a line either way (docs/contracts.md). The
 * owner answers questions by a callback and may tell everyone connected of events. The loop's
 * thread.
 */
#ifndef PANE_COMMON_CONTROL_SERVER_H
#define PANE_COMMON_CONTROL_SERVER_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"

struct control_server;
struct loop;

/* The answer to {"op":op}, a new reference; NULL: unknown op. */
typedef json_t *(*control_answer_fn)(void *arg, const char *op);

/* Listens at path (mode 0600). NULL with *e. */
struct control_server *control_server_new(struct loop *l, const char *path,
					  control_answer_fn answer, void *arg,
					  struct err *e) must_check;
void control_server_free(struct control_server *c); /* NULL is fine */
/* Within the answer: takes the descriptors that came along with the order (SCM_RIGHTS) into fd, at
 * most n; returns how many. They are the caller's. What is not taken is closed. */
unsigned control_server_take_fds(struct control_server *c, int *fd, unsigned n) must_check;
/* Within the answer: the order itself, borrowed. NULL outside. */
const json_t *control_server_order(const struct control_server *c);
/* Sends {"event":event} or {"event":event,"reason":reason} to everyone connected; c may be NULL. */
void control_server_event(struct control_server *c, const char *event, const char *reason);
/* Sends o, borrowed, to everyone connected: an event with more to it. */
void control_server_tell(struct control_server *c, json_t *o);

#endif
